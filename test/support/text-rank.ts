import type { Checkpoint } from '../../dist/checkpoint/index.js';
import { completeLimits, type Limits } from '../../dist/config.js';
import { Decoder } from '../../dist/decoder/index.js';
import { type CapturePlan, createPlanner, type Policy, type Row } from '../../dist/entry/planner.js';
import { createRank, createSolo, openDevice } from '../../dist/index.js';
import { TEST_DEVICE } from './device-fixture.js';

/** A text that one rank computes: its ids, and how many it has computed. */
export interface Text {
  readonly ids: number[];
  computed: number;
  readonly row: Row;
}

/** The logits of one row of a step. */
export interface LogitsRow {
  readonly text: Text;
  /** Position of the token that they are after. */
  readonly position: number;
  readonly logits: Float32Array;
  /** The greatest, as the decoder draws it. */
  readonly token: number;
}

/** The next tokens of a text. */
export interface TextChunk {
  readonly text: Text;
  readonly tokens: number;
  readonly decode?: boolean;
}

/** What a step planned ahead gave. */
export interface AheadStep {
  readonly logits: Float32Array | null;
  readonly deviceBytes: number;
}

const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: 0n };

/** The token after a row's position, drawn greedily. */
function controlled({ position }: Pick<LogitsRow, 'position'>) {
  return { controls: GREEDY, position: position + 1 };
}

/** A decoder on one rank, fed with texts in any chunks. */
export class TextRank implements Disposable {
  readonly #made: Awaited<ReturnType<typeof make>>;
  readonly #limits: Limits;
  readonly #nextBlock: number[];

  private constructor(made: Awaited<ReturnType<typeof make>>, limits: Limits) {
    this.#made = made;
    this.#limits = limits;
    this.#nextBlock = groupsOf(limits).map(() => 1);
  }

  static async open(checkpoint: Checkpoint, options: TextRankOptions): Promise<TextRank> {
    const limits = completeLimits(options.limits);
    return new TextRank(await make(checkpoint, limits, options), limits);
  }

  /** How the last step ran: `full 1`, `piecewise 1`, `eager 2` with its parts. */
  ran = '';

  /** A new text with room for so many tokens. */
  add(ids: readonly number[], room: number): Text {
    const blockIds = groupsOf(this.#limits).map((blockSize, group) =>
      Array.from({ length: Math.ceil(room / blockSize) }, () => this.#nextBlock[group]++),
    );
    const row = this.#made.planner.requests.add({ blockIds: blockIds.length === 1 ? blockIds[0] : blockIds });
    return { ids: [...ids], computed: 0, row };
  }

  /** Bytes that the device holds for the rank. */
  get deviceBytes(): number {
    return this.#made.device.memory().allocatedBytes;
  }

  /** Computes the next tokens of each text, as a decode or as a prefill. Returns the rows of logits of those that end with their text. */
  step(chunks: readonly TextChunk[]): LogitsRow[] {
    const { decoder } = this.#made;
    const { local, rows } = this.#run(chunks);
    const tokens = decoder.sampleSync(local, rows.map(controlled));
    const all = decoder.logitsSync(local);
    const width = rows.length === 0 ? 0 : all.length / rows.length;
    this.#advance(chunks);
    return rows.map((row, index) => ({
      ...row,
      token: tokens[index],
      logits: all.slice(index * width, (index + 1) * width),
    }));
  }

  /**
   * The same for a step planned ahead, whose rows draw one token each on the device. Returns their logits where they are asked for, and the
   * device's bytes once the draws were submitted.
   */
  stepAhead(chunks: readonly TextChunk[], { logits }: { readonly logits: boolean }): AheadStep {
    const { local, rows } = this.#run(chunks);
    const windows = rows.map((_, first) => ({ first, length: 1, drafts: new Int32Array(0) }));
    const drawn = this.#made.decoder.ahead?.draw(local, rows.map(controlled), windows, { logits });
    const { deviceBytes } = this;
    this.#advance(chunks);
    return { logits: drawn?.readSync().logits ?? null, deviceBytes };
  }

  /** Runs a step; `rows` are those that logits are of, in their order. */
  #run(chunks: readonly TextChunk[]) {
    const { planner, rank } = this.#made;
    const begun = chunks.map(({ text, tokens, decode = false }) => {
      const inputIds = Int32Array.from(text.ids.slice(text.computed, text.computed + tokens));
      const lastChunk = decode || text.computed + tokens === text.ids.length;
      planner.requests.schedule(text.row, {
        phase: decode ? 'decode' : 'prefill',
        queryLen: tokens,
        lastChunk,
        inputIds,
      });
      const first = decode ? text.computed : text.computed + tokens - 1;
      return { text, positions: lastChunk ? Array.from({ length: decode ? tokens : 1 }, (_, at) => first + at) : [] };
    });
    const { decision, local } = rank.stepSync();
    this.ran = `${decision.run} ${local.partCount}`;
    const ordered = Array.from(local.order.subarray(0, local.rows))
      .filter((row) => row >= 0)
      .flatMap((row) => begun.filter(({ text }) => text.row === row));
    const rows = ordered.flatMap(({ text, positions }) => positions.map((position) => ({ text, position })));
    return { local, rows };
  }

  /** Counts what a step computed. */
  #advance(chunks: readonly TextChunk[]): void {
    for (const { text, tokens } of chunks) {
      this.#made.planner.requests.advance(text.row, tokens);
      text.computed += tokens;
    }
  }

  remove(text: Text): void {
    this.#made.planner.requests.remove(text.row);
  }

  [Symbol.dispose](): void {
    const { rank, decoder, planner, device } = this.#made;
    rank.dispose();
    decoder[Symbol.dispose]();
    planner.dispose();
    device.dispose();
  }
}

export interface TextRankOptions {
  readonly limits: Partial<Limits>;
  readonly plan?: CapturePlan;
  readonly policy?: Partial<Policy>;
  readonly layerGroups?: readonly number[];
  /** Whether steps are planned ahead: their draws stay on the device. */
  readonly ahead?: boolean;
}

function groupsOf({ kvGroups, blockSize }: Limits): number[] {
  return kvGroups?.map((group) => group.blockSize) ?? [blockSize];
}

async function make(
  checkpoint: Checkpoint,
  limits: Limits,
  { plan, policy = {}, layerGroups, ahead = false }: TextRankOptions,
) {
  const planner = await createPlanner({ limits, policy, ...(plan === undefined ? {} : { plan }) });
  const device = openDevice({ device: TEST_DEVICE });
  let decoder: Decoder | undefined;
  const rank = createRank({
    planner,
    device,
    collective: createSolo(),
    checkShapes: true,
    forward: (executor) => {
      decoder = new Decoder(executor, checkpoint, limits, {
        ahead,
        ...(layerGroups === undefined ? {} : { layerGroups }),
      });
      return decoder;
    },
  });
  rank.captureSync();
  if (decoder === undefined) throw new Error('the rank made no decoder');
  return { planner, device, rank, decoder };
}
