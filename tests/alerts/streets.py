"""Rules in short for the tests that run the worker."""

FLOOD = """
rule: flooded
title: {vi: Ngập đường, en: Street flooded}
short: {vi: Ngập, en: Flooded}
sector: environment
metric: flood_cm
raise:
  warning: {above: 15}
  critical: {above: 30}
clear: {below: 10}
"""
LASTING = """
rule: lasting
title: {vi: Ngập lâu, en: Lasting flood}
short: {vi: Ngập lâu, en: Lasting}
sector: environment
metric: flood_cm
raise:
  warning: {above: 15, for: 3s}
"""
