import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** What a simulation takes of the compiled package: as it is shipped, or of a copy with a mistake in it. */
export type Build = Awaited<ReturnType<typeof loadBuild>>;

/** Loads what lies in `folder`, a `dist`. Each folder has classes of its own. */
export async function loadBuild(folder: string) {
  const load = <T>(file: string): Promise<T> =>
    import(/* @vite-ignore */ pathToFileURL(path.join(folder, file)).href) as Promise<T>;
  const agreement = await load<typeof import('../../../dist/agreement/index.js')>('agreement/index.js');
  const planner = await load<typeof import('../../../dist/planner/index.js')>('planner/index.js');
  const ranks = await load<typeof import('../../../dist/ranks/index.js')>('ranks/index.js');
  const recorder = await load<typeof import('../../../dist/recorder/index.js')>('recorder/index.js');
  const { LockstepError } = await load<typeof import('../../../dist/errors.js')>('errors.js');
  const { createRank } = await load<typeof import('../../../dist/runtime/index.js')>('runtime/index.js');
  const { openGroup } = await load<typeof import('../../../dist/ranks/threads/threads-group.js')>(
    'ranks/threads/threads-group.js',
  );
  const { MessageGroup } =
    await load<typeof import('../../../dist/ranks/mpi/message-group.js')>('ranks/mpi/message-group.js');
  const { compareRecordings } =
    await load<typeof import('../../../dist/replay/compare-recordings.js')>('replay/compare-recordings.js');
  const { KeyGraphs } = await load<typeof import('../../../dist/execution/key-graphs.js')>('execution/key-graphs.js');
  const { CapturedPiece } =
    await load<typeof import('../../../dist/execution/captured-piece.js')>('execution/captured-piece.js');
  const { loadModules } = await load<typeof import('../../../dist/memory/index.js')>('memory/index.js');
  const modules = await loadModules();
  return {
    modules,
    StepPlanner: planner.StepPlanner,
    RawRules: agreement.RawRules,
    VoteGroup: agreement.VoteGroup,
    LockstepError,
    createRank,
    createThreadsGroup: ranks.createThreadsGroup,
    joinThreads: ranks.joinThreads,
    openGroup,
    MessageGroup,
    openRecorder: recorder.openRecorder,
    decodeRecording: recorder.decodeRecording,
    compareRecordings,
    KeyGraphs,
    CapturedPiece,
  };
}
