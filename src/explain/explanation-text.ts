import type { CapturePlan } from '../planner/capture-plan.js';
import { nameOf, TENSORS } from '../planner/layout.js';
import type { BatchExplanation } from './explain-batch.js';
import type { PlainInteger, PlainTensors, PlainView } from './plain-tensors.js';
import { gatherText, reasonText, runText } from './reason-text.js';

/** Most values of a tensor that are written out. */
const SHOWN = 12;

/** An explanation as a person reads it: lines without line ends. `plan` is the one it was made with. */
export function explanationText(explanation: BatchExplanation, plan: CapturePlan): string[] {
  const { decision, votes, local, tensors, inventedBlocks } = explanation;
  const lines = [
    `run     ${runText(decision, plan)}`,
    `reason  ${decision.reason}: ${reasonText(decision, votes, plan)}`,
  ];
  if (decision.parts.length > 0) lines.push(`gather  ${gatherText(decision)}`);
  for (const { rank, request, blockIds } of inventedBlocks) {
    lines.push(
      `note    rank ${rank} request ${request} names no blocks; it is given ${blockIds.length === 0 ? 'none' : ranges(blockIds)}`,
    );
  }
  lines.push('', ...table(rankRows(explanation)));
  for (const [rank, own] of tensors.entries()) {
    if (decision.run === 'park') break;
    lines.push('', `rank ${rank}${order(local[rank].order)}`, ...tensorLines(own));
  }
  return lines;
}

function rankRows({ votes, local }: BatchExplanation): string[][] {
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
      parts.map(({ tokens: [begin, end] }) => end - begin).join(' + ') || '-',
    ];
  });
  return [head, ...rows];
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

function tensorLines({ whole, parts, blockTable, tableWidth }: PlainTensors): string[] {
  const lines = viewLines(whole, '');
  for (const [part, view] of parts.entries()) lines.push(`  part ${part}`, ...viewLines(view, '  '));
  const columns = blockTable[0]?.length ?? 0;
  lines.push(`  blockTable     i32[${blockTable.length}, ${tableWidth}], ${columns} in use`);
  for (const [row, blocks] of blockTable.slice(0, SHOWN).entries())
    lines.push(`    ${row}: ${abbreviated(blocks)}`.trimEnd());
  if (blockTable.length > SHOWN) lines.push(`    … ${blockTable.length - SHOWN} more rows`);
  return lines;
}

function viewLines(view: PlainView, indent: string): string[] {
  return TENSORS.map((name) => {
    const type = name === 'positions' || name === 'slotMapping' ? 'i64' : 'i32';
    const shape = `${type}[${view[name].length}]`;
    return `${indent}  ${name.padEnd(14)} ${shape.padEnd(10)} ${abbreviated(view[name])}`.trimEnd();
  });
}

/** The first values, and the last ones. */
function abbreviated(values: readonly PlainInteger[]): string {
  if (values.length <= SHOWN) return values.join(' ');
  return `${values.slice(0, SHOWN - 3).join(' ')} … ${values.slice(-3).join(' ')}`;
}

function ranges(blockIds: readonly number[]): string {
  const consecutive = blockIds.every((block, index) => block === blockIds[0] + index);
  if (blockIds.length === 1) return `block ${blockIds[0]}`;
  return consecutive ? `blocks ${blockIds[0]} to ${blockIds[blockIds.length - 1]}` : `blocks ${abbreviated(blockIds)}`;
}
