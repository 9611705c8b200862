/** Disposes of each part, and throws the first error once all had their turn. */
export function disposeAll(parts: readonly Disposable[]): void {
  const errors: unknown[] = [];
  for (const part of parts) {
    try {
      part[Symbol.dispose]();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
