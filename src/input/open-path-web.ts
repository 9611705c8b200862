/** Stands for `open-path.ts` where there is no file system. What is thrown becomes the reason why the source cannot be read. */
export function openPath(_path: string | URL): AsyncIterable<Uint8Array> {
  throw new Error('files are opened on Node alone: give a stream, such as the body of a response');
}
