import { PLAN_FIELDS, type PlanFieldName, type PlanSettings } from './fields.js';

/** The command that makes the same plan, in words of a shell. `file`: the name of the trace or log, null for a generated workload. */
export function planCommand(settings: PlanSettings, file: string | null): string {
  const words = ['lockstep', 'plan'];
  if (file !== null) words.push(file);
  for (const name of Object.keys(PLAN_FIELDS) as PlanFieldName[]) {
    const value = settings[name];
    if (value === undefined || value === '' || name === 'model' || (name === 'seed' && file !== null)) continue;
    if (name === 'gpu') {
      if (settings.model !== undefined) words.push('--cost-model', `${value}:${settings.model}`);
    } else if (name !== 'tp' || hasCosts(settings)) {
      words.push(PLAN_FIELDS[name].option, `${value}`);
    }
  }
  return words.map(shellWord).join(' ');
}

/** Whether the settings name a GPU and a model, and so what a step costs. */
export function hasCosts({ gpu, model }: PlanSettings): boolean {
  return gpu !== undefined && model !== undefined;
}

/** A word as a shell reads it. */
function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
