import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

let name: string | undefined;

/** Equal on the processes of one machine: the number of its boot, or its name where there is none. */
export function machineName(): string {
  if (name === undefined) {
    try {
      name = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      name = hostname();
    }
  }
  return name;
}
