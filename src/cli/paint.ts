import { styleText } from 'node:util';

/** Text in a colour where it is shown in one. */
export function paint(style: 'red' | 'green' | 'dim', text: string): string {
  return hasColours() ? styleText(style, text, { validateStream: false }) : text;
}

/** Never with NO_COLOR, whatever it says unless nothing; else with FORCE_COLOR other than 0; else on a terminal. */
function hasColours(): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return process.stdout.isTTY === true;
}
