/** "1 token", "2 tokens". */
export function countOf(value: number, noun: string, plural = `${noun}s`): string {
  return `${value} ${value === 1 ? noun : plural}`;
}
