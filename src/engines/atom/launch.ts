import { LockstepError, shown } from '../../errors.js';
import { type CommandLine, sizeOf } from '../command-line.js';
import { type EngineProfile, GRAPH_MODES } from '../profile/engine-profile.js';
import type { LaunchSettings } from '../profile/launch-settings.js';

/** What an ATOM command line says about graphs. Errors: ERR_INPUT_INVALID for what ATOM refuses. */
export function atomLaunch(line: CommandLine): LaunchSettings {
  const off = line.has('--enforce-eager') || line.value('--level') === '0';
  const sizes = sizeList(line.value('--cudagraph-capture-sizes'));
  const mode = line.value('--cudagraph-mode')?.toUpperCase();
  const graphMode = off ? 'NONE' : GRAPH_MODES.find((one) => one === mode);
  if (mode !== undefined && !off && graphMode === undefined) {
    throw refused(`--cudagraph-mode is ${shown(mode)}; it must be ${GRAPH_MODES.join(', ')}`);
  }
  const drafts = line.value('--method') === undefined ? undefined : (line.integer('--num-speculative-tokens') ?? 1);
  const profile: Partial<EngineProfile> = {
    tensorParallelSize: line.integer('--tensor-parallel-size', '-tp'),
    dataParallelSize: line.integer('--data-parallel-size', '-dp'),
    maxNumSeqs: line.integer('--max-num-seqs'),
    maxNumBatchedTokens: line.integer('--max-num-batched-tokens'),
    maxModelLen: line.integer('--max-model-len'),
    ...(drafts !== undefined && { queryLen: 1 + drafts }),
    ...(line.has('--enable-tbo', '--enable-two-batch-overlap') && { ubatches: 2 }),
    ...(graphMode !== undefined && { graphMode }),
    ...(sizes !== undefined && { sizes }),
  };
  return { profile, graphs: off || sizes !== undefined || mode !== undefined };
}

/** A list as Python writes it. */
function sizeList(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const list = text.trim();
  if (!list.startsWith('[') || !list.endsWith(']')) {
    throw refused(`--cudagraph-capture-sizes is ${shown(text)}; it must be a list like "[1,2,4]"`);
  }
  const items = list
    .slice(1, -1)
    .split(',')
    .map((item) => item.trim());
  if (items.at(-1) === '') items.pop();
  return items.map((item) => sizeOf(item, '--cudagraph-capture-sizes'));
}

function refused(fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `atom would refuse these flags: ${fault}`, { engine: 'atom', fault });
}
