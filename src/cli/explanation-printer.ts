import { type BatchExplanation, explanationText } from '../explain/index.js';
import type { CapturePlan } from '../keys/index.js';
import type { Policy } from '../policy/index.js';
import { rowsText, type ShowFlags, type TableRow, tableText } from './show.js';

/** Explanations as the flags say, each as it comes; a table is printed at the end, when the widths of its columns are known. */
export class ExplanationPrinter {
  readonly #flags: ShowFlags;
  readonly #plan: CapturePlan;
  readonly #policy: Policy;
  readonly #table: TableRow[] = [];
  #named = false;

  constructor(flags: ShowFlags, plan: CapturePlan, policy: Policy) {
    this.#flags = flags;
    this.#plan = plan;
    this.#policy = policy;
  }

  async next(explanation: BatchExplanation, line: number): Promise<string> {
    const { json, output } = this.#flags;
    if (json === true || output === 'json') return `${JSON.stringify({ ...explanation, line })}\n`;
    if (output === undefined) {
      const lines = explanationText(explanation, this.#plan, this.#policy);
      return `line ${line}\n${lines.map((item) => (item === '' ? '' : `  ${item}`)).join('\n')}\n\n`;
    }
    const rows = rankRows(explanation, line);
    if (output === 'table') {
      this.#table.push(...rows);
      return '';
    }
    const named = this.#named;
    this.#named = true;
    return await rowsText(rows, output, undefined, !named);
  }

  rest(): string {
    return tableText(this.#table);
  }
}

/** What each rank does with a batch, one a row. */
function rankRows({ decision, local }: BatchExplanation, line: number): TableRow[] {
  return local.map(({ tokens, requests, decodeRequests, parts }, rank) => ({
    ...{ line, rank, tokens, requests, decodeRequests },
    ...{ run: decision.run, reason: decision.reason, paddedTokens: decision.paddedTokens, parts: parts.length },
  }));
}
