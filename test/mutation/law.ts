import type { PlannerModules } from '../../dist/memory/modules.js';

/** What the rules must be; says what is broken under `modules`, or undefined. */
export interface Law {
  readonly name: string;
  broken(modules: PlannerModules): Promise<string | undefined>;
}
