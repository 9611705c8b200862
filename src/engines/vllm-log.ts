import type { LogBatch, LogLineReader } from './engine-log.js';

/** `- Mode: CUDAGraphMode.FULL_AND_PIECEWISE`, from which on rows have that mode. */
const SETTING = /- Mode: (?:CUDAGraphMode\.)?(\w+)/;

const HEADER = /\|\s*Unpadded Tokens\s*\|\s*Padded Tokens\s*\|\s*Num Paddings\s*\|\s*Runtime Mode\s*\|\s*Count\s*\|/;

const ROW = /\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(?:CUDAGraphMode\.)?(NONE|PIECEWISE|FULL)\s*\|\s*(\d+)\s*\|/;

const MODES = { NONE: 'eager', PIECEWISE: 'piecewise', FULL: 'full' } as const;

/** Modes in which full graphs hold decodes alone. */
const DECODES_APART = ['FULL_AND_PIECEWISE', 'FULL_DECODE_ONLY'];

/**
 * Rows of the tables that vLLM logs with `--cudagraph-metrics`, each of which counts the steps since the last table. A row
 * says no phase: full graphs hold decodes alone where the mode says so, all else may hold prefills. Source: vLLM `CUDAGraphLogging`.
 */
export function vllmLogReader(): LogLineReader {
  let decodesApart = false;
  let inTables = false;
  return (line) => {
    const setting = SETTING.exec(line);
    if (setting !== null) decodesApart = DECODES_APART.includes(setting[1]);
    inTables ||= HEADER.test(line);
    const row = inTables ? ROW.exec(line) : null;
    if (row === null) return null;
    const [tokens, padded, paddings, count] = [row[1], row[2], row[3], row[5]].map(Number);
    if (tokens < 1 || padded - tokens !== paddings || count < 1) return null;
    const mode: LogBatch['mode'] = MODES[row[4] as keyof typeof MODES];
    return { phase: decodesApart && mode === 'full' ? 'decode' : 'mixed', tokens, padded, mode, count };
  };
}
