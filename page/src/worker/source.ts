import { detectSource } from 'lockstep/capture';
import { readEngineRun, readProfile } from 'lockstep/engines';
import { LockstepError } from 'lockstep/planner';
import type { Dropped } from './messages.js';

/** Longest text that may be a launch line or a configuration. */
const LONGEST_LAUNCH = 1 << 15;

/** The bytes of a file, unpacked where its name ends in `.gz`. Each call reads it anew. */
export async function* bytesOf(file: File): AsyncGenerator<Uint8Array> {
  const stream = file.name.endsWith('.gz') ? file.stream().pipeThrough(new DecompressionStream('gzip')) : file.stream();
  // Not every browser has streams that a loop can read.
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

/**
 * What a file is, by its content: a trace, a step log, an engine's log, or a launch line. Errors: ERR_INPUT_INVALID for what is none, with what
 * was expected of a log and of a launch line.
 */
export async function identify(file: File, signal: AbortSignal): Promise<Dropped> {
  const kind = await detectSource(bytesOf(file), signal);
  if (kind !== 'engine-log') return { kind };
  try {
    await readEngineRun(bytesOf(file), { signal });
    return { kind };
  } catch (notLog) {
    if (signal.aborted || file.size > LONGEST_LAUNCH) throw notLog;
    const text = await file.text();
    try {
      readProfile(text);
    } catch (notLaunch) {
      if (!(notLog instanceof LockstepError && notLaunch instanceof LockstepError)) throw notLaunch;
      const message = `${notLog.message}\nNor is it a launch line: ${notLaunch.message}`;
      throw new LockstepError('ERR_INPUT_INVALID', message, {}, { cause: notLog });
    }
    return { kind: 'launch', text: text.trim() };
  }
}
