import { LockstepError } from '../errors.js';
import {
  CONFIG_BASE,
  CONFIG_WORDS,
  type DeviceSupplied,
  KV_GROUP_TENSORS,
  type KvGroupTensorName,
  REGIONS,
  type RegionName,
  type TensorName,
  VIEW_TENSORS,
  type ViewTensorName,
} from '../layout/index.js';
import { configWords } from './config-words.js';
import { kvGroupRegionWords, layKvGroup } from './kv-group-regions.js';
import type { Region } from './region.js';
import type { RegionTable } from './region-table.js';
import { memorySizes, regionWords, type SizeOptions, tensorBytes } from './sizes.js';

/** Bytes of one WebAssembly page. */
const PAGE = 65536;
const ALIGNMENT = 64;
/** Bytes after each region that SIMD stores may overshoot into: up to 15 slots. */
const SLACK = 128;
/** A range of a staging set that a device copies: four words, as an edit of a block table has. */
const RANGE_BYTES = 16;

/** What a planner's memory is laid out for. */
export interface RegionOptions extends SizeOptions {
  /** Words of the region that the model checker works in. Default 0. */
  readonly checkWords?: number;
  /** Count the holders of each block, so that steps can be checked for shared blocks. Default false. */
  readonly checked?: boolean;
  /** Tensors that the device fills: they have memory, and the planner does not write it. Default none. */
  readonly deviceSupplied?: readonly DeviceSupplied[];
}

/** Lays out a planner's memory. Throws `ERR_PLAN_CAPACITY` if it does not fit 32 bits of addresses. */
export function layoutRegions(options: RegionOptions): RegionTable {
  const { limits, plan, checkWords = 0, checked = false, deviceSupplied: supplied = [] } = options;
  const sizes = memorySizes(options);
  const groupWords = sizes.groups.map((group) => kvGroupRegionWords(group, { ...limits, ...sizes, checked }));
  const words = regionWords(limits, plan, sizes, checkWords);
  const all: Region[] = [
    { name: 'reserved page', offset: 0, bytes: PAGE },
    { name: 'AssemblyScript statics', offset: PAGE, bytes: PAGE },
    { name: 'C++ statics and stack', offset: 2 * PAGE, bytes: CONFIG_BASE - 2 * PAGE },
  ];
  let next = CONFIG_BASE;
  const take = (name: string, bytes: number): Region => {
    const region = { name, offset: next, bytes };
    all.push(region);
    next = Math.ceil((next + bytes + SLACK) / ALIGNMENT) * ALIGNMENT;
    return region;
  };
  take('config', CONFIG_WORDS * 4);
  const regions = new Map(REGIONS.map((name) => [name, take(name, words[name] * 4)]));
  const tensors = new Map<string, number>();
  const copies = new Map<string, number>();
  const deviceSupplied: ReadonlySet<TensorName> = new Set(supplied);
  const views = sizes.maxParts > 1 ? 1 + sizes.maxParts : 1;
  const viewBytes = (name: ViewTensorName): number => tensorBytes(name, sizes, sizes.groups[0]);
  const laid = sizes.groups.map((own, index) => {
    const bytes = (name: KvGroupTensorName): number => tensorBytes(name, sizes, own);
    return layKvGroup(own, groupWords[index], bytes, take);
  });
  const groups = laid.map((group) => group.regions);
  for (let set = 0; set < 2; set++) {
    for (let view = 0; view < views; view++) {
      for (const name of deviceSupplied as ReadonlySet<ViewTensorName>) {
        copies.set(`${set} ${view} ${name}`, take(`set ${set} view ${view} copy of ${name}`, viewBytes(name)).offset);
      }
    }
  }
  const ranges = views * (VIEW_TENSORS.length + groups.length * KV_GROUP_TENSORS.length);
  const takeRanges = (set: number): Region => take(`set ${set} upload ranges`, ranges * RANGE_BYTES);
  const rangeRegions = [takeRanges(0), takeRanges(1)] as const;
  const laySet = (set: number): number => {
    const begin = next;
    for (let view = 0; view < views; view++) {
      for (const name of VIEW_TENSORS) {
        tensors.set(`${set} ${view} ${name}`, take(`set ${set} view ${view} ${name}`, viewBytes(name)).offset);
      }
      for (const group of laid) group.layTensors(set, view);
    }
    for (const group of laid) group.layTable(set);
    return begin;
  };
  const sets = [laySet(0), laySet(1)] as const;
  const mirror = { bytes: next - sets[1], sets, ranges: rangeRegions };
  const tensor = (set: number, view: number, name: ViewTensorName): number =>
    tensors.get(`${set} ${view} ${name}`) ?? 0;
  const region = (name: RegionName): Region => {
    const found = regions.get(name);
    if (found === undefined) throw new RangeError(`no region ${name}`);
    return found;
  };
  if (next > 2 ** 32 - PAGE) {
    const csr = options.tensors?.csr === true;
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `These limits need ${Math.ceil(next / 2 ** 20)} MiB of planner memory, and 4095 MiB is the most it can have. ` +
        `The block tables ${csr ? 'and kvIndices ' : ''}take most: lower maxNumSeqs (${limits.maxNumSeqs}) or maxModelLen (${limits.maxModelLen}), ` +
        `or raise blockSize (${sizes.groups.map(({ blockSize }) => blockSize).join(', ')})${csr ? ', or leave tensors.csr out' : ''}.`,
      { bytes: next, limits, options: ['maxNumSeqs', 'maxModelLen', 'blockSize'] },
    );
  }
  const written = (set: number, view: number, name: ViewTensorName): number =>
    copies.get(`${set} ${view} ${name}`) ?? tensor(set, view, name);
  const config = configWords(limits, plan, { sizes, region, written, groups }, checked);
  const pages = Math.ceil(next / PAGE);
  return { sizes, pages, regions, region, tensor, written, mirror, groups, deviceSupplied, all, config };
}
