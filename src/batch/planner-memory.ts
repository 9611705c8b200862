import { CONFIG_BASE, KV_GROUP_STATE_WORDS, LIMIT_WORDS, type RegionName, word } from '../layout/index.js';
import {
  allocate,
  instantiate,
  type MetadataExports,
  type PlannerModules,
  planRegions,
  type RegionOptions,
  type RegionTable,
  type RulesExports,
} from '../memory/index.js';
import { policyWords } from '../policy/index.js';
import { LocalPlan } from './local-plan.js';
import { type StagingSet, stagingSet } from './metadata.js';
import { Requests } from './requests.js';

/** What a planner's memory is laid out for, and how it starts. */
export interface MemoryOptions extends RegionOptions {
  /** Fill it with garbage first. */
  readonly poison: boolean;
}

/**
 * One fixed memory with both modules over it, laid out and with an empty batch. The Memory object itself stays private:
 * even `grow(0)` would detach every view. Errors: ERR_PLAN_CAPACITY, ERR_CONFIG_INVALID (foreign modules).
 */
export class PlannerMemory {
  readonly regions: RegionTable;
  /** The whole memory as bytes. */
  readonly arena: Uint8Array<ArrayBuffer>;
  readonly rules: RulesExports;
  readonly metadata: MetadataExports;
  readonly sets: readonly [StagingSet, StagingSet];

  constructor(modules: PlannerModules, options: MemoryOptions) {
    const { policy, poison } = options;
    this.regions = planRegions(options);
    const memory = allocate(this.regions.pages);
    this.arena = new Uint8Array(memory.buffer);
    if (poison) this.arena.fill(0xa5, CONFIG_BASE);
    const config = new Int32Array(memory.buffer, CONFIG_BASE, this.regions.config.length);
    config.set(this.regions.config);
    config[word(LIMIT_WORDS, 'poisoned')] = poison ? 1 : 0;
    this.words('policy').set(policyWords(policy));
    this.words('local').fill(0);
    this.words('decision').fill(0);
    const { rules, metadata } = instantiate(modules, memory);
    this.rules = rules;
    this.metadata = metadata;
    metadata.state_init();
    this.sets = [stagingSet(memory.buffer, this.regions, 0), stagingSet(memory.buffer, this.regions, 1)];
  }

  /** Byte offset of a region, for the modules. */
  offset(name: RegionName): number {
    return this.regions.region(name).offset;
  }

  /** A view of a region's words; make it once. */
  words(name: RegionName): Int32Array<ArrayBuffer> {
    const { offset, bytes } = this.regions.region(name);
    return new Int32Array(this.arena.buffer, offset, bytes / 4);
  }

  /** The local plan of the step built last. */
  localPlan(): LocalPlan {
    const views = { words: this.words('local'), order: this.words('order'), groups: this.#groupStates() };
    return new LocalPlan(views, this.sets, this.regions.sizes);
  }

  #groupStates(): readonly Int32Array[] {
    const words = KV_GROUP_STATE_WORDS.length;
    return this.regions.groups.map((group) => new Int32Array(this.arena.buffer, group.region('groupState'), words));
  }

  /** The batch's requests; `guard` throws while it must not be edited, and what only reads where it must not be read. */
  requests(guard: (reads?: boolean) => void): Requests {
    const views = {
      inbox: this.words('inbox'),
      inboxCounts: this.words('inboxCounts').subarray(0, this.regions.groups.length),
      error: this.words('error'),
      rows: this.words('rows'),
    };
    return new Requests(this.metadata, views, guard);
  }
}
