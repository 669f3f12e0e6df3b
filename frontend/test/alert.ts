import type { Alert } from '../src/protocol/messages';

let next = 0;

/** An alert with the parts that a test cares about. */
export function alert(part: Partial<Alert> & { age?: number }): Alert {
  const { age = 60, ...rest } = part;
  const id = rest.id ?? `a${String(next++).padStart(4, '0')}`;
  const name = { vi: 'Mưa rất to', en: 'Very heavy rain' };
  const raised = new Date(Date.UTC(2026, 10, 22, 12) - age * 1000).toISOString();
  return {
    id,
    seq: 1,
    rule: 'rain',
    rule_version: 1,
    group: id,
    sector: 'environment',
    asset: null,
    zone: null,
    zone_name: null,
    location: null,
    severity: 'warning',
    state: 'unacknowledged',
    title: name,
    short: name,
    metric: 'rain_mm_h',
    unit: 'mm/h',
    value: 64,
    limit: 50,
    comparison: '>',
    raised_at: raised,
    updated_at: raised,
    cleared_at: null,
    acknowledged_at: null,
    acknowledged_by: null,
    owner: null,
    accepted_at: null,
    silenced: [],
    comments: 0,
    hidden: null,
    last_data_at: null,
    consequence: null,
    response: null,
    respond_within_s: null,
    team: null,
    ...rest,
  };
}
