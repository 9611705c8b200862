import { styleText } from 'node:util';

/** Text in a colour where a terminal shows it and NO_COLOR is not set. */
export function paint(style: 'red' | 'green' | 'dim', text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text;
}
