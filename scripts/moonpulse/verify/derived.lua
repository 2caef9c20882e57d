--- What manifest.json says that can be made anew from the rest of the folder: from the journal, the rows, the
--- files of sources/ and, of a protocol, the plan.
local core = require "moonpulse.core"
local journals = require "moonpulse.record.journal"
local manifest_files = require "moonpulse.record.manifest_file"
local metas = require "moonpulse.record.meta"
local notes = require "moonpulse.record.note"
local read = require "moonpulse.record.read"
local recover_curves = require "moonpulse.record.recover_curves"
local recover_manifest = require "moonpulse.record.recover_manifest"
local results = require "moonpulse.record.result"

local M = {}

local most_plan = 1 << 24

local function table_of(value)
  return type(value) == "table" and value or {}
end

--- What was said with --meta: its file is in sources/.
local function meta_of(folder, manifest)
  for _, each in ipairs(table_of(manifest.files)) do
    if type(each) == "table" and each.role == "meta" and type(each.file) == "string"
      and each.file:find("^sources/[^/]+$") then
      return (metas.read(folder .. "/" .. each.file))
    end
  end
end

--- The journal's first line, and what stands in sources/.
local function of_begin(folder, manifest, begin)
  local options, who = table_of(begin.options), begin.who
  local meta = meta_of(folder, manifest)
  local tree = { kind = begin.what, participant = begin.participant, operator = who ~= "n/a" and who or nil,
    parameters = begin.parameters, meta = meta, thresholds = {},
    moonpulse = { version = begin.moonpulse, commit = begin.commit },
    what = manifest_files.what(tostring(manifest.status)) }
  for _, key in ipairs { "rmt", "amt" } do
    local taken = table_of(table_of(options.taken)[key])
    tree.thresholds[key] = metas.given_threshold(key, options[key], meta, { answers =
      table_of(manifest.preflight) }, taken.run and { [key] = taken } or nil)
  end
  return { tree = tree, where = "line 1 of journal.jsonl", parts = { kind = true, participant = true,
    operator = true, parameters = true, meta = true, what = true, ["moonpulse.version"] = true,
    ["moonpulse.commit"] = begin.commit and true, ["thresholds.rmt"] = true,
    ["thresholds.amt"] = true } }
end

--- What an experiment played and found, from its journal alone.
local function of_experiment(folder, manifest, lines)
  local entries, plays = {}, {}
  for i, line in ipairs(lines) do
    entries[i] = line.entry or {}
  end
  for _, entry in ipairs(journals.read(folder) or {}) do
    plays[#plays + 1] = entry.kind == "play" and entry or nil
  end
  local conditions, trials = recover_manifest.planned(plays)
  local found = recover_manifest.results(entries)
  return { where = "journal.jsonl", tree = { conditions = conditions, trials = trials,
    thresholds = { found = metas.found(found.ended, manifest.started) },
    experiment = { plays = #plays, staircases = found.staircases, thresholds = found.thresholds,
      curves = recover_curves.results(entries) } },
    parts = { conditions = true, trials = true, ["thresholds.found"] = true, ["experiment.plays"] = true,
      ["experiment.staircases"] = true, ["experiment.thresholds"] = true, ["experiment.curves"] = true } }
end

-- of a row only whether it was sent, and how late
local unread = { onset = true, pulse = true, planned = true, confirmed = true, trial = true }

--- The onset errors of the pulses that were sent, as they were measured.
local function lateness_of(text)
  local rows = read.lists(text, "events.tsv", unread)
  if not rows then
    return nil
  end
  local values, punctual, late_of, sent_of = {}, 0, rows.lists.lateness, rows.lists.sent
  for i = 1, #rows.kind do
    local late = rows.kinds[rows.kind[i]].event == "pulse" and sent_of[i] and late_of[i]
    if late == 0 then
      punctual = punctual + 1
    elseif late then
      values[#values + 1] = late
    end
  end
  return results.percentiles(values, punctual)
end

--- The rows: their checksum, and in real time the onset errors. What recover found of them its line tells.
local function of_rows(manifest, text)
  local measured, recovered = manifest.speed == nil or manifest.speed == 1, manifest.status == "interrupted"
  local sum = core.sum()
  sum:add(text)
  return { where = "the rows of events.tsv", tree = { result = { events_sum = sum:text(),
    lateness_us = measured and not recovered and manifest.status ~= "not run" and lateness_of(text)
      or nil } },
    parts = { ["result.events_sum"] = true, ["result.lateness_us"] = not recovered or nil } }
end

--- What a protocol's text makes; what its file was called only the record says.
local function of_protocol(folder, made)
  local text = core.read_file(folder .. "/resolved.plan", most_plan)
    or core.read_file(made.path .. "/resolved.plan", most_plan) or ""
  local protocol = { plan_sha256 = text:match("sha256 (%x+)\n$") }
  local parts = { conditions = true, trials = true }
  for key, value in pairs(made.protocol) do
    protocol[key] = value
  end
  for _, key in ipairs(manifest_files.keys "protocol") do
    parts["protocol." .. key] = key ~= "file" and (key ~= "nerve" or not made.no_driver) or nil
  end
  return { where = "the kept text", tree = { protocol = protocol, conditions = made.conditions,
    trials = made.trials }, parts = parts }
end

--- All of it.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param events string? the text of events.tsv
---@param made moonpulse.MadeAgain? of a protocol's run
---@return { tree: table, parts: table<string, true>, where: string }[]
---@return table<string, true> undone parts that could not be made anew here, which is told elsewhere
function M.of(folder, manifest, lines, events, made)
  local list, begin, ended, undone = {}, table_of(lines[1] and lines[1].entry), false, {}
  local entries = {}
  for _, line in ipairs(lines) do
    ended = ended or line.entry and line.entry.kind == "end" or false
    entries[#entries + 1] = line.entry or false
  end
  if begin.kind == "begin" then
    list[#list + 1] = of_begin(folder, manifest, begin)
  end
  if ended and manifest.kind == "experiment" then
    list[#list + 1] = of_experiment(folder, manifest, lines)
  elseif made and made.protocol then
    list[#list + 1] = of_protocol(folder, made)
  elseif manifest.kind ~= "experiment" then
    undone = { conditions = true, trials = true }
  end
  local noted = notes.of(entries)
  list[#list + 1] = { tree = { notes = noted[1] and noted }, where = "journal.jsonl",
    parts = { notes = true } }
  list[#list + 1] = events and of_rows(manifest, events) or nil
  undone["result.events_sum"] = not events or nil
  undone["result.lateness_us"] = not events or nil
  return list, undone
end

return M
