import type { Option } from 'commander';

/** The arguments before `--`, among which options are. */
export function beforeEnd(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end < 0 ? args : args.slice(0, end);
}

/** Whether an option is among the arguments. Commander does not tell a flag of the line from one that a file of `--config` says. */
export function isGiven({ long, short }: Option, args: readonly string[]): boolean {
  return beforeEnd(args).some((arg) => arg === long || arg === short || arg.startsWith(`${long}=`));
}
