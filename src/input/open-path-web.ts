/** Stands for `open-path.ts` where there is no file system. The error it throws becomes the reason why the source cannot be read. */
export async function openPath(_path: string | URL): Promise<AsyncIterable<Uint8Array>> {
  throw new Error('files can be opened only on Node: give a stream, such as the body of a response');
}

/** No path is a pipe where there are none. */
export function isPipe(_path: string): boolean {
  return false;
}
