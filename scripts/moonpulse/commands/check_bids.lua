--- moonpulse check-bids: the stimulation of a BIDS dataset against the draft, and against what was delivered.
local checks = require "moonpulse.bids.check"
local cli = require "moonpulse.cli"
local disk = require "moonpulse.bids.disk"
local draft = require "moonpulse.bids.draft"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.readable_json"
local numbers = require "moonpulse.text.numbers"

local M = {}

function M.parser()
  local parser = cli.parser("check-bids",
    "Check the stimulation (nibs/) of a BIDS dataset, whoever wrote it, against 48 rules of the draft of "
      .. "BEP037 "
      .. "(NIBS-BIDS): files, ids, values, patterns, places, sidecars (docs/bids.md lists them). Of runs "
        .. "that "
      .. "Moonpulse exported it also says whether the tables, pulled apart, are the pulses that were "
        .. "delivered, "
      .. "to the microsecond. For the rest of a dataset use a BIDS validator. Exit status 4 where there is "
        .. "an "
      .. "error.",
    "moonpulse check-bids study\nmoonpulse check-bids study --json")
  parser:argument("dataset", "The folder of the dataset."):argname("DIR"):args("?")
  parser:flag("--json", "The findings as data: one JSON object.")
  parser:flag("--rules", "Print the rules and what each of them asks, without a dataset.")
  return parser
end

local function print_rules()
  for _, rule in ipairs(checks.rules) do
    print(("%2d  %-8s %s"):format(rule[1], rule[3], rule[2]))
  end
end

local function count(findings, level)
  local found = 0
  for _, each in ipairs(findings) do
    found = found + (each.level == level and 1 or 0)
  end
  return found
end

local function print_findings(checked, errors, warnings)
  for _, each in ipairs(checked.findings) do
    local row = each.row and (each.row == 0 and ", header" or ", row " .. each.row) or ""
    print(escapes.shown(("%-7s %2d  %s%s: %s"):format(each.level, each.rule, each.file, row, each.text),
      true))
  end
  print(("%s, %d rules: %s, %s"):format(numbers.counted(checked.groups, "recording"), #checks.rules - 1,
    numbers.counted(errors, "error"), numbers.counted(warnings, "warning")))
  if checked.compared > 0 then
    print(("%s, as they were delivered: %s"):format(numbers.counted(checked.pulses, "pulse"),
      count(checked.findings, "error") == 0 and "the tables stand for exactly these"
        or "see the findings of rule " .. checks.closing))
  end
  if checked.compared < checked.groups then
    print(("%s without a timeline of Moonpulse: its pulses were not compared"):format(numbers.counted(
      checked.groups - checked.compared, "recording")))
  end
end

function M.run(options)
  if options.rules then
    return print_rules()
  elseif not options.dataset then
    cli.fail("usage", "check-bids: the folder of the dataset is missing (see moonpulse check-bids --help)")
  end
  local folder = options.dataset:gsub("(.)/+$", "%1")
  local dataset, message = disk.files(folder)
  if not dataset then
    cli.fail("usage", "%s", message)
  end
  local checked = checks.run(dataset)
  local errors, warnings = count(checked.findings, "error"), count(checked.findings, "warning")
  if options.json then
    io.stdout:write(json.encode({ dataset = folder, draft = draft.version, recordings = checked.groups,
      compared = checked.compared, pulses = checked.pulses, errors = errors, warnings = warnings,
      findings = checked.findings }, { lists = { findings = true }, [""] = { "dataset", "draft", "recordings",
        "compared", "pulses", "errors", "warnings", "findings" },
      ["findings[]"] = { "rule", "level", "file", "row", "text" } }))
  elseif checked.groups == 0 then
    cli.fail("usage", "%s has no recording of stimulation: no sub-*/nibs/*_nibs.tsv", folder)
  else
    print_findings(checked, errors, warnings)
  end
  return errors > 0 and cli.status.fault or cli.status.ok
end

return M
