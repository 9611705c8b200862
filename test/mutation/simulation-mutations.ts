import type { Mutation } from './mutation.js';

/** A mistake in a file of the compiled package. */
export interface FileMutation extends Mutation {
  /** Below dist. */
  readonly file: string;
}

const RANK = 'runtime/rank.js';
const RECORDER = 'recorder/step-recorder.js';
const EXCHANGE = 'ranks/mpi/exchange.js';
const MEMORY = 'ranks/threads/group-memory.js';
const CAPTURE = 'execution/capture-session.js';

/** Mistakes in the loop of a rank, its captures, transports, guard and recorder, which the simulation must find. */
export const SIMULATION_MUTATIONS: readonly FileMutation[] = [
  {
    name: 'rank: reports no throw between gather and launch',
    file: RANK,
    find: 'this.#abort(asLockstepError(error));\n            throw error;',
    replace: 'throw error;',
  },
  {
    name: 'rank: keeps it to itself that it refused a table',
    file: RANK,
    find: 'this.#abortUnlessAgreed(error);\n            if (step.failure',
    replace: 'if (step.failure',
  },
  {
    name: 'rank: goes on before its peers have voted',
    file: RANK,
    find: 'await this.collective.allGather(row, this.planner.table, step.wait);',
    replace: 'void this.collective.allGather(row, this.planner.table, step.wait).catch(() => undefined);',
  },
  {
    name: 'rank: votes to run though its device failed',
    file: RANK,
    find: 'step.failure = error;',
    replace: 'void step;',
  },
  {
    name: 'rank: ends the group over a fault that all ranks agreed on',
    file: RANK,
    find: 'AGREED.includes(error.code)',
    replace: "error.code === 'ERR_CAPTURE_ASYMMETRIC'",
  },
  {
    name: 'rank: does not wait in a park',
    file: RANK,
    find: 'if (step.parked)\n                await',
    replace: 'if (step.parked && step.intent.fault === 1)\n                await',
  },
  {
    name: 'planner: takes a table without a look at its seals',
    file: 'planner/step-planner.js',
    find: 'this.#rules.resolveSealed(',
    replace: 'this.#rules.resolve(',
  },
  {
    name: 'threads: a table of stale rows is taken',
    file: 'ranks/threads/threads.js',
    find: 'table.set(this.#tables[sequence & 1]);',
    replace: 'table.set(this.#tables[(sequence + 1) & 1]);',
  },
  {
    name: 'threads: a deadline that passes ends nothing',
    file: 'ranks/threads/threads.js',
    find: 'if (ms === 0) {',
    replace: 'if (ms < 0) {',
  },
  {
    name: 'threads: a wake comes late, with the next look',
    file: MEMORY,
    find: 'if (Atomics.compareExchange(this.words, PARK, lasting, park & ~ENDED) === lasting)\n            this.#timing.notify(this.words, PARK);',
    replace: 'Atomics.compareExchange(this.words, PARK, lasting, park & ~ENDED);',
  },
  {
    name: 'threads: the end of a group wakes no rank',
    file: MEMORY,
    find: 'Atomics.or(this.words, PARK, ENDED);\n        this.rouse();',
    replace: 'void PARK;',
  },
  {
    name: 'messages: a wake is not sent',
    file: EXCHANGE,
    find: 'this.#send(MESSAGE.wake, park);',
    replace: '',
  },
  {
    name: 'messages: a row out of turn is taken',
    file: EXCHANGE,
    find: 'if (sequence !== expected || !(sequence === this.sequence || sequence === next)) {',
    replace: 'if (!(sequence === this.sequence || sequence === next)) {',
  },
  {
    name: 'messages: a rank that gives up does not ask what became of its all-gather',
    file: EXCHANGE,
    find: '(peers.allSilent() && !peers.saidCompleted(sequence))',
    replace: 'true',
  },
  {
    name: 'messages: a rank that completes does not say so',
    file: EXCHANGE,
    find: 'if (ahead === 0 || ahead === 1)\n            this.#tell();',
    replace: '',
  },
  {
    name: 'messages: the last word of a rank leaves out what it completed',
    file: EXCHANGE,
    find: 'this.message[2] = this.#completed;',
    replace: 'this.message[2] = 0;',
  },
  {
    name: 'messages: a process that has ended is waited for',
    file: 'ranks/mpi/message-group.js',
    find: 'if (lost === null)\n            return;',
    replace: 'if (lost !== undefined)\n            return;',
  },
  {
    name: 'capture: goes on with graphs that a peer does not hold',
    file: CAPTURE,
    find: "if (verdict === 'run')\n            return made;",
    replace: 'if (made !== null)\n            return made;',
  },
  {
    name: 'capture: a graph that a peer does not hold stays on the device',
    file: CAPTURE,
    find: 'made?.[Symbol.dispose]();',
    replace: '',
  },
  {
    name: 'capture: the graphs of one that ends early stay on the device',
    file: CAPTURE,
    find: 'disposeAll([...this.#graphs.values()]);',
    replace: '',
  },
  {
    name: 'capture: what was reserved for a key that is dropped stays',
    file: CAPTURE,
    find: 'finally {\n            reserve.free();',
    replace: 'finally {',
  },
  {
    name: 'capture: captures in the order of the plan',
    file: CAPTURE,
    find: '.sort((a, b) => b.key.tokens - a.key.tokens)',
    replace: '',
  },
  {
    name: 'capture: a rank that was asked to give up goes on',
    file: CAPTURE,
    find: 'signal?.aborted === true',
    replace: 'false',
  },
  {
    name: 'capture: a rank that fails alone keeps it to itself',
    file: RANK,
    find: 'this.#abortUnlessAgreed(error, error === agreement.refusal);',
    replace: 'void agreement;',
  },
  {
    name: 'capture: ends the group over a key that only some can hold',
    file: RANK,
    find: 'error === agreement.refusal',
    replace: 'error !== agreement.refusal',
  },
  {
    name: 'capture: one whose rank is disposed of goes on',
    file: RANK,
    find: 'this.#ending.abort();\n        if (this.#relied)',
    replace: 'if (this.#relied)',
  },
  {
    name: 'guard: keys stand in the order of the own plan',
    file: 'ranks/guard/agree-keys.js',
    find: 'const kept = lists[0]',
    replace: 'const kept = own',
  },
  {
    name: 'guard: a key is captured where any rank is ready',
    file: 'ranks/guard/resolve-guard.js',
    find: 'if (lacking.length === 0)',
    replace: 'if (lacking.length < rows.ranks)',
  },
  {
    name: 'guard: drops a key that was to end all',
    file: 'ranks/guard/guard.js',
    find: "if (outcome.onAsymmetric === 'drop')",
    replace: "if (outcome.onAsymmetric !== 'none')",
  },
  {
    name: 'guard: a row is taken without a look at its seal',
    file: 'ranks/guard/resolve-guard.js',
    find: 'if (!rows.sealed(rank) || stage === undefined)',
    replace: 'if (stage === undefined)',
  },
  {
    name: 'recorder: writes over the step before',
    file: RECORDER,
    find: 'this.#next = next === this.#end',
    replace: 'this.#next = (this.#begun & 1) === 0 ? at : next === this.#end',
  },
  {
    name: 'recorder: leaves out what was decided',
    file: RECORDER,
    find: 'words[at + R.decisionHash] = this.planner.decisionHash;',
    replace: '',
  },
  {
    name: 'recorder: does not say that it has the table',
    file: RECORDER,
    find: 'words[this.#at] = GATHERED;',
    replace: '',
  },
  {
    name: 'recorder: a rank that never entered its all-gather seems to have',
    file: RECORDER,
    find: 'words[at + R.refused] = ((entered - words[at + R.sequence]) | 0) < 0 ? 1 : 0;',
    replace: '',
  },
  {
    name: 'replay: a rank that only heard of an end is blamed for it',
    file: 'replay/first-to-leave.js',
    find: "heard.includes(error) ? 'heard'",
    replace: "!heard.includes(error) ? 'heard'",
  },
];
