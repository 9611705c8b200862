import { checkArguments } from '../checks.js';
import type { CapturePlan } from '../keys/index.js';
import { nameOf, TENSORS } from '../layout/index.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import { candidateLines } from './candidate-text.js';
import type { BatchExplanation } from './explain-batch.js';
import type { PlainInteger, PlainTensors, PlainView } from './plain-tensors.js';
import { gatherText, reasonText, runText } from './reason-text.js';

/** Most values of a tensor that are written out. */
const SHOWN = 12;

/** An explanation as a person reads it: lines without line ends. `plan` and `policy` are those it was made with. */
export function explanationText(
  explanation: BatchExplanation,
  plan: CapturePlan,
  policy: Pick<Policy, 'ubatchAgreement' | 'mixedGraphs'> = LOCKSTEP_POLICY,
): string[] {
  checkArguments('explanationText', {
    explanation: [explanation, 'object', 'decision', 'candidates', 'votes', 'local', 'tensors'],
    plan: [plan, 'object', 'keys'],
    policy: [policy, 'object'],
  });
  const { decision, candidates, votes, local, tensors, inventedBlocks } = explanation;
  const lines = [
    `run     ${runText(decision, plan)}`,
    `reason  ${decision.reason}: ${reasonText(decision, votes, plan, policy)}`,
  ];
  if (decision.parts.length > 0) lines.push(`gather  ${gatherText(decision)}`);
  for (const [index, line] of candidateLines(candidates, plan).entries()) {
    lines.push(`${index === 0 ? 'keys' : ''.padEnd(4)}    ${line}`);
  }
  for (const rank of new Set(inventedBlocks.map((invented) => invented.rank))) {
    const ofRank = inventedBlocks.filter((invented) => invented.rank === rank);
    for (const group of new Set(ofRank.map((invented) => invented.group))) {
      const own = ofRank.filter((invented) => invented.group === group);
      const blocks = own.flatMap(({ blockIds }) => blockIds);
      const requests = own.map(({ request }) => request);
      const named = group === undefined ? '' : ` of KV group ${group}`;
      lines.push(
        `note    rank ${rank}: blocks ${range(blocks)}${named} made up for requests ${range(requests)}, which name none`,
      );
    }
  }
  lines.push('', ...table(rankRows(explanation)));
  for (const [rank, own] of tensors.entries()) {
    if (decision.run === 'park') break;
    lines.push('', `rank ${rank}${order(local[rank].order)}`, ...tensorLines(own));
  }
  return lines;
}

function rankRows({ votes, local, tensors }: BatchExplanation): string[][] {
  const head = [
    'rank',
    'phase',
    'requests',
    'tokens',
    'wishes ubatches',
    'runs tokens',
    'attention requests',
    'logits',
    'real tokens by part',
  ];
  const rows = votes.map((vote, rank) => {
    const { paddedTokens, attentionRequests, numLogits, parts } = local[rank];
    return [
      `${rank}`,
      nameOf('PHASE', vote.phase),
      `${vote.prefillRequests + vote.decodeRequests}`,
      `${vote.tokens}`,
      vote.wantsUbatches === 1 ? 'yes' : 'no',
      `${parts.length > 1 ? parts.reduce((sum, part) => sum + part.paddedTokens, 0) : paddedTokens}`,
      `${attentionRequests}`,
      `${numLogits}`,
      parts
        .map((_, part) => realTokens(parts.length > 1 ? tensors[rank].parts[part] : tensors[rank].whole))
        .join(' + ') || '-',
    ];
  });
  return [head, ...rows];
}

function realTokens(view: PlainView): number {
  return view.isPadding.filter((padding) => padding === 0).length;
}

/** Columns wide enough for their longest cell, numbers to the right. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padStart(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}

function order(places: readonly number[]): string {
  const moved = places.some((request, place) => request !== place);
  return moved ? ` (requests in the order ${abbreviated(places)})` : '';
}

function tensorLines({ whole, parts, blockTable, tableWidth, groups = [] }: PlainTensors): string[] {
  const lines = viewLines(whole, '');
  for (const [part, view] of parts.entries()) lines.push(`  part ${part}`, ...viewLines(view, '  '));
  lines.push(...tableLines(blockTable, tableWidth));
  for (const [group, own] of groups.entries()) {
    // The first group's tensors are those above.
    if (group === 0) continue;
    lines.push(`  KV group ${group}`, ...viewLines(own.whole, '  '));
    for (const [part, view] of own.parts.entries()) lines.push(`    part ${part}`, ...viewLines(view, '    '));
    lines.push(...tableLines(own.blockTable, own.tableWidth).map((line) => `  ${line}`));
  }
  return lines;
}

function tableLines(blockTable: PlainTensors['blockTable'], tableWidth: number): string[] {
  const columns = blockTable[0]?.length ?? 0;
  const lines = [`  blockTable     i32[${blockTable.length}, ${tableWidth}], ${columns} in use`];
  for (const [row, blocks] of blockTable.slice(0, SHOWN).entries())
    lines.push(`    ${row}: ${abbreviated(blocks)}`.trimEnd());
  if (blockTable.length > SHOWN) lines.push(`    … ${blockTable.length - SHOWN} more rows`);
  return lines;
}

function viewLines(view: Partial<PlainView>, indent: string): string[] {
  // A planner has no local lengths without context parallelism, and no CSR unless it was asked for.
  return TENSORS.flatMap((name) => {
    const values = view[name];
    if (values === undefined || (name !== 'logitsIndices' && values.length === 0)) return [];
    const type = name === 'positions' || name === 'slotMapping' ? 'i64' : 'i32';
    const shape = `${type}[${values.length}]`;
    return [`${indent}  ${name.padEnd(14)} ${shape.padEnd(10)} ${abbreviated(values)}`.trimEnd()];
  });
}

/** The first values, and the last ones. */
function abbreviated(values: readonly PlainInteger[]): string {
  if (values.length <= SHOWN) return values.join(' ');
  return `${values.slice(0, SHOWN - 3).join(' ')} … ${values.slice(-3).join(' ')}`;
}

/** "1 to 4" where all between are there. */
function range(values: readonly number[]): string {
  const consecutive = values.every((value, index) => value === values[0] + index);
  return consecutive && values.length > 1 ? `${values[0]} to ${values[values.length - 1]}` : abbreviated(values);
}
