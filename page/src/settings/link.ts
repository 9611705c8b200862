import type { BatchSettings } from './batch-settings.js';
import { batchFromText, batchToText } from './batch-settings.js';
import { type Field, fieldValue, PLAN_FIELDS, type PlanFieldName, type PlanSettings } from './fields.js';

/** The views of the page. */
export const VIEWS = ['plan', 'step', 'stories'] as const;
export type View = (typeof VIEWS)[number];

/** Where a story is: its name, and how many lines of its trace are shown. */
export interface StoryPlace {
  readonly name?: string;
  readonly at?: number;
}

/** What a link holds: a view and its settings. A trace or a log is never in it. */
export type Link =
  | { readonly view: 'plan'; readonly settings: PlanSettings }
  | { readonly view: 'step'; readonly settings: BatchSettings }
  | { readonly view: 'stories'; readonly settings: StoryPlace };

/** A link as the address has it after the `#`, such as `plan?graphs=20&ranks=4`. */
export function linkText(link: Link): string {
  const values = new URLSearchParams();
  if (link.view === 'plan') {
    for (const [name, value] of Object.entries(link.settings)) if (value !== undefined) values.set(name, `${value}`);
  } else if (link.view === 'stories') {
    const { name, at } = link.settings;
    if (name !== undefined) values.set('name', name);
    if (at !== undefined) values.set('at', `${at}`);
  } else {
    values.set('batch', batchToText(link.settings));
  }
  const text = values.toString();
  return text === '' ? link.view : `${link.view}?${text}`;
}

/** What a link says, and what of it could not be read: sentences for people. Whatever is wrong has its default. */
export function readLink(text: string): { readonly link: Link; readonly faults: readonly string[] } {
  const [, name = '', query = ''] = /^#?([^?]*)\??(.*)$/s.exec(text) ?? [];
  const values = new URLSearchParams(query);
  if (name === 'step') return stepLink(values);
  if (name === 'stories') return storyLink(values);
  const faults =
    name === '' || name === 'plan' ? [] : [`The link names the view ${name}, and there is none: this is the plan.`];
  const settings: Record<string, number | string> = {};
  for (const [key, value] of values) {
    const field: Field | undefined = Object.hasOwn(PLAN_FIELDS, key) ? PLAN_FIELDS[key as PlanFieldName] : undefined;
    if (field === undefined) {
      faults.push(`The link sets ${key}, which is no setting of a plan.`);
      continue;
    }
    const read = fieldValue(field, value);
    if ('value' in read) settings[key] = read.value;
    else faults.push(`The link sets ${key} to ${value.slice(0, 40)}; it must be ${read.must}.`);
  }
  return { link: { view: 'plan', settings }, faults };
}

function stepLink(values: URLSearchParams): ReturnType<typeof readLink> {
  const { settings, faults } = batchFromText(values.get('batch'));
  return { link: { view: 'step', settings }, faults };
}

function storyLink(values: URLSearchParams): ReturnType<typeof readLink> {
  const at = values.get('at');
  const name = values.get('name');
  const isPlace = at === null || /^\d{1,4}$/.test(at);
  return {
    link: {
      view: 'stories',
      settings: { ...(name !== null && { name }), ...(at !== null && isPlace && { at: Number(at) }) },
    },
    faults: isPlace ? [] : [`The link says the line ${at.slice(0, 40)} of a story; it must be a number.`],
  };
}
