import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import { KEYS_ROW_WORDS, KEYS_TAG } from '../../../dist/ranks/guard/agree-keys.js';
import { GUARD_TAG, GUARD_WORDS } from '../../../dist/ranks/guard/guard-row.js';
import type { StepOptions } from '../../../dist/runtime/index.js';
import type { Member } from './group.js';
import { nullGraphs } from './null-device.js';
import type { SimulatedRun } from './simulated-run.js';

const WIDTH = VOTE_WORDS.length;
/** First word of a message with a row, after which come its sequence and the row. */
const ROW_MESSAGE = 2;

/** The words of a row of a capture that carry something: of a guard, of the agreement on keys, or of a list of keys. */
function used(row: Int32Array): Int32Array {
  if (row[0] === GUARD_TAG) return row.subarray(0, GUARD_WORDS.length);
  return row.subarray(0, row[0] === KEYS_TAG ? KEYS_ROW_WORDS : row.findLastIndex((word) => word !== 0) + 1);
}

/** Lets a run's fault happen to its culprit, which is about to take a step, or to enter an all-gather of a capture. @returns what it says in that step. */
export async function strike(run: SimulatedRun, member: Member): Promise<StepOptions> {
  const { simulation, build, fault, group } = run;
  const { random } = simulation;
  const { culprit, other } = fault;
  const { collective, planner, throws, rank } = member;
  const { attempts } = group.monitor;
  const lost = (): Error => {
    run.struck();
    return new build.LockstepError('ERR_DEVICE_LOST', 'the simulated device failed.');
  };
  const flip = (words: Int32Array): void => {
    words[random.below(words.length)] ^= 1 << random.below(32);
  };
  /** Changes the table of the next all-gather, in which `changed` carries something. */
  const inTable = (
    change: (table: Int32Array, sequence: number) => void,
    changed = (table: Int32Array): Int32Array => table,
  ): void => {
    const receive = (table: Int32Array): void => {
      if (changed(table).length === 0) return;
      collective.hooks = null;
      run.struck();
      change(changed(table), collective.sequence);
    };
    collective.hooks = { send: (row) => row, receive };
  };
  /** Changes what is sent in the next. */
  const inRow = (change: (row: Int32Array) => Int32Array): void => {
    const nextRow = (row: Int32Array): Int32Array => {
      if (fault.step < 0 && used(row).length === 0) return row;
      run.struck();
      collective.hooks = null;
      return change(row.slice());
    };
    collective.hooks = { send: nextRow, receive: () => undefined };
  };
  /** Has its way with the next row from one rank to another. */
  const onWay = (
    from: number,
    to: number,
    fate: 'send' | 'lose' | 'twice',
    change = (_: Int32Array): void => {},
  ): void => {
    const { network } = group;
    if (network === null) return;
    network.tamper = (sender, receiver, words) => {
      if (sender !== from || receiver !== to || words[0] !== ROW_MESSAGE) return 'send';
      network.tamper = null;
      run.struck();
      change(words.subarray(2));
      return fate;
    };
  };
  /** The row of a rank in the step before the one that is gathered. */
  const staleRow = (of: number, sequence: number): Int32Array | undefined =>
    attempts[of].find((each) => each.sequence === sequence - 1)?.row;

  switch (fault.kind) {
    case 'none':
      break;
    case 'device fails':
      throws.settle = lost;
      break;
    case 'caller votes a fault':
      run.struck();
      return { fault: 7 };
    case 'rank dies':
      run.later(10, () => {
        if (run.ends[culprit] !== undefined) return;
        run.struck();
        group.kill(culprit);
        run.end(culprit, { how: 'dead', at: simulation.time });
      });
      break;
    case 'rank stalls':
      run.struck();
      await simulation.sleep(3 * run.timeoutMs);
      break;
    case 'bit flips in one table':
      inTable(flip, (table) => (fault.step < 0 ? used(table.subarray(other * WIDTH, (other + 1) * WIDTH)) : table));
      break;
    case 'stale row in one table':
      inTable((table, sequence) => {
        const row = staleRow(other, sequence);
        if (row !== undefined) table.set(row, other * WIDTH);
      });
      break;
    case 'row twice in one table':
      inTable((table) => {
        const place = (other + 1 + random.below(group.members.length - 1)) % group.members.length;
        table.copyWithin(place * WIDTH, other * WIDTH, (other + 1) * WIDTH);
      });
      break;
    case 'bit flips in a sent row':
      inRow((row) => {
        flip(fault.step < 0 ? used(row) : row);
        return row;
      });
      break;
    case 'stale row is sent':
      inRow((row) => staleRow(culprit, collective.sequence + 1) ?? row);
      break;
    case 'bit flips in a message':
      onWay(other, culprit, 'send', flip);
      break;
    case 'message is lost':
      onWay(culprit, other, 'lose');
      break;
    case 'message comes twice':
      onWay(culprit, other, 'twice');
      break;
    case 'forward breaks':
      throws.forward = () => {
        run.struck();
        return new TypeError('the model broke');
      };
      break;
    case 'rank is late': {
      const { timeoutMs, delayMs } = run;
      run.struck();
      await simulation.sleep(timeoutMs / 2);
      // By now all others have entered. One of them gives up while the row is on its way.
      const first = Math.min(...group.members.map(({ collective }) => collective.enteredAt).toSpliced(culprit, 1));
      await simulation.sleep(Math.max(0, first + timeoutMs - random.uniform() * delayMs - simulation.time));
      break;
    }
    case 'launch fails':
      throws.submit = lost;
      break;
    case 'recorder fails':
      throws.record = () => {
        run.struck();
        return new Error('no space left on device');
      };
      break;
    case 'caller aborts': {
      const { signal, abort } = controller();
      run.later(10, () => {
        run.struck();
        abort();
      });
      return { signal };
    }
    case 'rank is disposed of':
      run.later(10, () => {
        run.struck();
        rank.dispose();
      });
      break;
    case 'gathers once too often':
      run.struck();
      await collective.allGather(planner.row.slice(), new Int32Array(planner.table.length), {
        timeoutMs: run.timeoutMs,
      });
      break;
    case 'other plan': {
      const keys = planner.plan.keys.length;
      if (keys === 0) break;
      planner.keepKeys(Array.from({ length: keys - 1 }, (_, key) => key));
      rank.executor.useGraphs(nullGraphs(build, keys - 1));
      inRow((row) => row);
      break;
    }
  }
  return {};
}

function controller() {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}
