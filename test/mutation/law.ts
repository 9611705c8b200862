import type { PlannerModules } from '../../dist/memory/modules.js';

/** What the rules must be; says what is broken under `modules`, or undefined. `known`: what was, which is looked at first. */
export interface Law {
  readonly name: string;
  broken(modules: PlannerModules, known?: string): Promise<string | undefined>;
}
