import type { DeviceBuffer, DeviceEvent, DeviceGraph, DeviceStream } from '../device/index.js';
import { LockstepError } from '../errors.js';
import { COMMAND_HEADER_WORDS, COMMAND_WORDS, ENUMS, MAX_COMMANDS } from '../layout/index.js';
import type { DevicePort } from '../planner/index.js';

const { COMMAND } = ENUMS;

/** The commands of a step, written into the planner's memory, where `stream.submit()` reads them without an argument. */
export class CommandBlock {
  readonly #words: Int32Array;
  readonly #stream: DeviceStream;
  #count = 0;

  constructor(stream: DeviceStream, { commands }: DevicePort) {
    this.#words = commands.words;
    this.#stream = stream;
    stream.setCommandBlock(commands.offset, MAX_COMMANDS);
  }

  /** Copies `bytes` of the planner's memory at `source` into a buffer. */
  upload(buffer: DeviceBuffer, byteOffset: number, source: number, bytes: number): void {
    this.#push(COMMAND.upload, buffer.id, byteOffset, source, bytes, 0);
  }

  /** Copies the columns that `count` edits (int32[4] each at `edits`) name from a table at `source` of the same pitch. */
  uploadRows(buffer: DeviceBuffer, edits: number, count: number, pitch: number, source: number): void {
    this.#push(COMMAND['upload-rows'], buffer.id, edits, count, pitch, source);
  }

  graph(graph: DeviceGraph): void {
    this.#push(COMMAND.graph, graph.id, 0, 0, 0, 0);
  }

  record(event: DeviceEvent): void {
    this.#push(COMMAND.record, event.id, 0, 0, 0, 0);
  }

  /** Discards commands that were not submitted. */
  clear(): void {
    this.#count = 0;
  }

  /** Enqueues all commands on the stream, or none when one is invalid. */
  submit(): void {
    this.#words[0] = this.#count;
    this.#count = 0;
    this.#stream.submit();
  }

  #push(op: number, a: number, b: number, c: number, d: number, e: number): void {
    if (this.#count === MAX_COMMANDS) {
      throw new LockstepError(
        'ERR_LAUNCH_BOUNDS',
        `A command block holds ${MAX_COMMANDS} commands; submit more often`,
        { limit: MAX_COMMANDS },
      );
    }
    const at = COMMAND_HEADER_WORDS + this.#count * COMMAND_WORDS.length;
    this.#words[at] = op;
    this.#words[at + 1] = a;
    this.#words[at + 2] = b;
    this.#words[at + 3] = c;
    this.#words[at + 4] = d;
    this.#words[at + 5] = e;
    this.#count += 1;
  }
}
