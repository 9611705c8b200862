import { checkArguments } from '../checks.js';
import type { EngineRunLog, LogBatch, LogCapture, LogTime } from '../engines/index.js';
import { vllmDecodeSizes } from '../engines/index.js';
import { largestDecode } from './plan-costs.js';

/** What a log shows to be wrong, or unknown. */
export interface LogFinding {
  /**
   * `no-full-graph`, `no-graph`: no graph holds those tokens; `graph-unused`: one does, and did not run; `other-rank`: they ran as
   * another rank's size.
   */
  readonly kind: 'no-full-graph' | 'no-graph' | 'graph-unused' | 'other-rank';
  /** Tokens of the first. */
  readonly from: number;
  /** Tokens of the last. */
  readonly to: number;
  /** Steps of those tokens in the log. */
  readonly steps: number;
  /** The finding as a sentence. */
  readonly text: string;
}

/** How steps of one shape ran. */
export interface RanSteps {
  /** Tokens of the step: of a row that ran as another rank's size, that size. */
  readonly tokens: number;
  /** Tokens of the graph; null where it ran eager, or the log does not say on what. */
  readonly size: number | null;
  /** Whether they ran eager. */
  readonly eager: boolean;
  /** Steps of this shape. */
  readonly count: number;
}

/** What an engine's log tells beside its steps. */
export interface LogRun {
  /** The engine that wrote the log. */
  readonly engine: EngineRunLog['engine'];
  /** The graph mode that the log names, in the engine's words; null where it names none. */
  readonly mode: string | null;
  /** Sizes captured, in tokens; null where no line tells them. */
  readonly captured: readonly number[] | null;
  /** Memory and time that capturing took; null where no line tells them. */
  readonly capture: LogCapture | null;
  /** Times of forwards; empty where the log has none. */
  readonly times: readonly LogTime[];
  /** Whether each step is a look at the requests that ran at a moment, and no step that was counted. */
  readonly sampled: boolean;
  /** Steps of which the log does not say whether they hold a prefill. */
  readonly unknownSteps: number;
  /** Whether one list of graphs holds steps of every phase, so that the phase is of no matter. */
  readonly oneList: boolean;
  /** Whether steps of unknown phase count as decodes: where one list of graphs holds steps of every phase, and in statistics. */
  readonly unknownAsDecodes: boolean;
  /** Steps that could be decodes, and how they ran. */
  readonly ran: readonly RanSteps[];
  /** Graphs that the log tells of: those captured, or else those that ran. */
  readonly graphs: number;
  /** What is worth knowing of how the steps ran. */
  readonly findings: readonly LogFinding[];
}

/** Steps of one shape in a log, as they are counted. */
export interface LogStep {
  /** The shape as the log has it. */
  readonly batch: LogBatch;
  /** Tokens of the step. */
  readonly tokens: number;
  /** Whether it could be a decode. */
  readonly decode: boolean;
}

/** Sizes that an engine's log is judged by. */
interface LogLimits {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly queryLen: number;
}

/** vLLM's modes in which one list of graphs holds steps of every phase. */
const ONE_LIST = ['PIECEWISE', 'FULL'];

/**
 * The steps of an engine's log, and how they ran. A row that was padded beyond what its own tokens need ran as another rank's size. Under
 * one list of graphs for all phases, and in statistics, which have none, steps that could be decodes count as such.
 */
export function logRun(
  log: EngineRunLog,
  limits: LogLimits,
): { readonly steps: readonly LogStep[]; readonly run: LogRun } {
  checkArguments('logRun', { log: [log, 'object', 'engine', 'times', 'batches'], limits: [limits, 'object'] });
  checkArguments('logRun', { batches: [log.batches, 'objects'], times: [log.times, 'objects'] });
  const { engine, mode, captured, capture, times, sampled, batches } = log;
  const largest = largestDecode(limits);
  const statistics =
    times.length > 0 && batches.every(({ padded, mode }) => padded === undefined && mode === undefined);
  const oneList = mode !== null && ONE_LIST.includes(mode);
  const unknownAsDecodes = oneList || statistics;
  const graphs = graphSizes(log, oneList, limits);
  const findings = new Findings();
  const ran: RanSteps[] = [];
  let unknownSteps = 0;
  const steps = batches.map((batch): LogStep => {
    const { phase, padded, count } = batch;
    const sizes = batch.mode === 'piecewise' ? graphs.piecewise : graphs.full;
    const own = batch.mode === 'eager' ? batch.tokens : sizes.find((size) => size >= batch.tokens);
    const others = padded !== undefined && own !== undefined && padded > own;
    const tokens = others ? padded : batch.tokens;
    // A step of more tokens than any decode holds a prefill; TensorRT-LLM says what a step holds.
    const unknown = phase === 'mixed' && engine !== 'trtllm' && tokens <= largest;
    if (unknown) unknownSteps += count;
    if (others) findings.add('other-rank', batch.tokens, count, `ran as ${padded}`);
    if (phase === 'decode' || unknown) {
      const eager = batch.mode === 'eager';
      const held = graphs.full.find((size) => size >= tokens);
      const known = captured !== null || engine === 'sglang';
      const size = padded ?? (batch.mode === undefined && captured === null ? null : (own ?? null));
      ran.push({
        tokens,
        size: eager ? null : size,
        eager: eager || (captured !== null && held === undefined && batch.mode === undefined),
        count,
      });
      if (batch.mode === 'piecewise' && !oneList) {
        if (held !== undefined) findings.add('graph-unused', tokens, count, `a full graph of ${held}`);
        else if (captured !== null) findings.add('no-full-graph', tokens, count, 'ran piecewise');
      } else if (eager && known) {
        if (held !== undefined) findings.add('graph-unused', tokens, count, `a graph of ${held}`, 'eager');
        else if (graphs.full.length > 0) findings.add('no-graph', tokens, count, `${graphs.full.at(-1)}`);
        else if (captured !== null) findings.add('no-graph', tokens, count, '0');
      }
    }
    return { batch, tokens, decode: phase === 'decode' || (unknown && unknownAsDecodes) };
  });
  return {
    steps,
    run: {
      engine,
      mode,
      captured,
      capture,
      times,
      sampled,
      unknownSteps,
      oneList,
      unknownAsDecodes,
      ran,
      graphs: captured === null ? new Set(ran.flatMap(({ size }) => size ?? [])).size : graphs.full.length,
      findings: findings.list(limits.queryLen),
    },
  };
}

/** Sizes of full and of piecewise graphs, ascending: what was captured, or else what ran. */
function graphSizes(
  { engine, captured, mode, batches }: EngineRunLog,
  oneList: boolean,
  limits: LogLimits,
): { readonly full: readonly number[]; readonly piecewise: readonly number[] } {
  if (captured !== null) {
    if (mode === 'NONE') return { full: [], piecewise: [] };
    const apart = engine === 'vllm' && !oneList;
    return { full: apart ? vllmDecodeSizes(captured, limits) : captured, piecewise: captured };
  }
  const seen = (kind: LogBatch['mode']): number[] =>
    [...new Set(batches.flatMap(({ mode, padded }) => (mode === kind && padded !== undefined ? [padded] : [])))].sort(
      (a, b) => a - b,
    );
  return { full: seen(oneList && mode === 'PIECEWISE' ? 'piecewise' : 'full'), piecewise: seen('piecewise') };
}

/** Findings of one kind and cause, over the tokens that have it. */
class Findings {
  readonly #found = new Map<
    string,
    { kind: LogFinding['kind']; tokens: Set<number>; steps: number; whats: Set<string>; how: string }
  >();

  add(kind: LogFinding['kind'], tokens: number, count: number, what: string, how = ''): void {
    const key = `${kind} ${how}`;
    const found = this.#found.get(key) ?? { kind, tokens: new Set(), steps: 0, whats: new Set(), how };
    found.tokens.add(tokens);
    found.whats.add(what);
    found.steps += count;
    this.#found.set(key, found);
  }

  list(queryLen: number): LogFinding[] {
    return Array.from(this.#found.values(), ({ kind, tokens, steps, whats, how }) => {
      const [from, to] = [Math.min(...tokens), Math.max(...tokens)];
      const range = from === to ? `${from} tokens` : `${from} to ${to} tokens`;
      const [what] = whats;
      const times = `${grouped(steps)} times`;
      const one = whats.size === 1;
      const reason =
        queryLen > 1
          ? `a prefill, or requests of other than ${queryLen} tokens`
          : 'a prefill, or a batch that full graphs refuse';
      const text = {
        'no-full-graph': `${range} ran piecewise ${times}: no full graph holds them`,
        'no-graph': `${range} ran eager ${times}: ${what === '0' ? 'no graphs were captured' : `the graphs end at ${what}`}`,
        'graph-unused':
          how === 'eager'
            ? `${range} ran eager ${times} although ${one ? `${what} is` : 'graphs that hold them are'} there`
            : `${range} ran piecewise ${times} although ${one ? `${what} is` : 'full graphs that hold them are'} there: phase unknown (${reason})`,
        'other-rank': `${range} ${one ? what : 'ran as more than they need'} ${times}: another rank's size`,
      }[kind];
      return { kind, from, to, steps, text };
    });
  }
}

/** A whole number with thousands separators. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
