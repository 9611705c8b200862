import { type CapturePlan, keyWords } from '../keys/index.js';
import { CONFIG_BASE, type KvGroupRegionName, LIMIT_WORDS, type RegionName, word } from '../layout/index.js';
import {
  allocate,
  instantiate,
  layoutRegions,
  type MetadataExports,
  type PlannerModules,
  queryLenWords,
  type RegionOptions,
  type RegionTable,
  type RulesExports,
  voteRangeWords,
} from '../memory/index.js';
import { policyWords } from '../policy/index.js';
import { ForwardBatch } from './forward-batch.js';
import { type StagingSet, stagingSet } from './metadata.js';
import { Requests } from './requests.js';
import { type Uploads, uploadsOf } from './uploads.js';

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
    this.regions = layoutRegions(options);
    const memory = allocate(
      this.regions.pages,
      'The planner',
      'maxNumSeqs or maxModelLen, or dispose of other planners',
    );
    this.arena = new Uint8Array(memory.buffer);
    if (poison) this.arena.fill(0xa5, CONFIG_BASE);
    const config = new Int32Array(memory.buffer, CONFIG_BASE, this.regions.config.length);
    config.set(this.regions.config);
    config[word(LIMIT_WORDS, 'poisoned')] = poison ? 1 : 0;
    this.words('voteRanges').set(voteRangeWords(config));
    this.words('policy').set(policyWords(policy));
    this.words('local').fill(0);
    this.words('decision').fill(0);
    const { rules, metadata } = instantiate(modules, memory);
    this.rules = rules;
    this.metadata = metadata;
    metadata.state_init();
    this.sets = [stagingSet(memory.buffer, this.regions, 0), stagingSet(memory.buffer, this.regions, 1)];
  }

  /** Installs the keys that steps are decided with, at most as many as the memory was laid out for. Returns the plan's hash. */
  installPlan(plan: CapturePlan): number {
    new Int32Array(this.arena.buffer, CONFIG_BASE)[word(LIMIT_WORDS, 'numKeys')] = plan.keys.length;
    this.words('keys').set(keyWords(plan.keys));
    this.words('queryLens').set(queryLenWords(plan));
    return this.rules.installPlan();
  }

  /** The parts of a step that a device copies, by the staging set that the step was built into. */
  uploads(): readonly [Uploads, Uploads] {
    const of = (set: 0 | 1): Uploads => uploadsOf(this.regions, this.sets[set], set);
    return [of(0), of(1)];
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

  /** Byte offset of a region of a KV cache group. */
  groupOffset(name: KvGroupRegionName, group = 0): number {
    return this.regions.groups[group].region(name).offset;
  }

  /** A view of the words of a region of a KV cache group; make it once. */
  groupWords(name: KvGroupRegionName, group = 0): Int32Array<ArrayBuffer> {
    const { offset, bytes } = this.regions.groups[group].region(name);
    return new Int32Array(this.arena.buffer, offset, bytes / 4);
  }

  /** The forward batch of the step built last. */
  forwardBatch(): ForwardBatch {
    const groups = this.regions.groups.map((_, group) => this.groupWords('groupState', group));
    const views = { words: this.words('local'), order: this.words('order'), groups };
    return new ForwardBatch(views, this.sets, this.regions.sizes);
  }

  /** The batch's requests; `guard` throws while the batch must not be edited, or for reads alone, must not be read. */
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
