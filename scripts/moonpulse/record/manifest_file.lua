--- manifest.json, for people, and recover.json, for moonpulse recover: how they are written.
local cjson = require "cjson"
local core = require "moonpulse.core"
local files = require "moonpulse.record.file"
local json = require "moonpulse.text.readable_json"
local machine_paths = require "moonpulse.text.machine_paths"
local metas = require "moonpulse.record.meta"

local M = {}

---@class moonpulse.Internals what recover.json holds; of older versions the manifest has it
---@field record_version integer?
---@field flight table? what the flight record needs beside it: run/manifest.lua; nil: it was not armed
---@field driver string? the file of a user's driver
---@field xdf boolean? an XDF file was asked for (--xdf)
---@field missing boolean? there is no recover.json that can be read, where there must be one

M.version = 3 -- of the record: with recover.json, sources/ and a manifest that people read

-- The order of the keys, of the whole and of its parts: who, what and how it ended come first.
local orders = {
  [""] = { "record_version", "what", "kind", "status", "started", "ended", "participant", "session",
    "operator", "protocol", "experiment", "begins_at", "parameters", "seed", "speed", "thresholds",
    "conditions", "trials", "device", "codes", "lsl", "meta", "safety", "preflight", "result", "notes",
    "files", "clock", "start", "host", "moonpulse", "journal_head", "journal_lines" },
  protocol = { "id", "name", "file", "cite", "doi", "target", "coil", "threshold", "unconfirmed", "nerve",
    "pulses", "first_to_last_s", "nominal_end_s", "whole_cycles_s", "outline", "plan_sha256" },
  begins_at = { "what", "number", "pulses_before", "pulses_planned", "left_out",
    "marks_left_out", "marks_given", "continues" },
  session = { "number", "of", "phase", "phases", "sessions", "course" },
  ["session.course"] = { "name", "begins", "phases" },
  experiment = { "plays", "staircases", "thresholds", "curves", "triggers" },
  ["experiment.staircases[]"] = { "threshold", "interval", "why", "above", "below", "reversals", "trials",
    "rule", "start", "min_step", "unit", "kind", "device", "track" },
  ["experiment.thresholds[]"] = { "threshold", "interval", "why", "above", "below", "method", "variant", "of",
    "step", "start", "min", "max", "unit", "kind", "device", "trials", "ended_by", "track" },
  ["experiment.thresholds[].interval"] = { "low", "high", "percent" },
  ["experiment.thresholds[].track[]"] = { "intensity", "yes", "mep_uv" },
  ["experiment.curves[]"] = { "fit", "why", "unit", "device", "order", "repeats", "planned", "trials",
    "track" },
  ["experiment.curves[].fit"] = { "mep_max_uv", "s50", "k", "slope_uv", "r2", "intervals", "lowest_share",
    "highest_share" },
  ["experiment.curves[].track[]"] = { "intensity", "set", "mep_uv" },
  ["experiment.triggers"] = { "came", "taken", "passed_over", "before", "dropped", "on_trigger",
    "stream" },
  ["experiment.triggers.stream"] = { "name", "connections", "samples", "not_bytes" },
  ["experiment.triggers.on_trigger"] = { "starts", "counted", "window", "gate", "busy", "refractory", "over",
    "outside", "untold", "reaction_us" },
  ["experiment.triggers.on_trigger.reaction_us"] = { "p50", "p95", "worst" },
  device = { "name", "description", "model", "serial", "firmware", "simulated", "own_simulator", "confirms",
    "latency_us", "latency_from", "waveform", "current_direction", "mode", "coil", "driver", "backend",
    "port", "usb_id", "usb_serial", "usb_product", "trigger", "temperature_c", "faults", "devices" },
  ["device.devices[]"] = { "place", "channels", "thresholds", "taken", "name", "description", "model",
    "serial", "firmware", "simulated", "own_simulator", "confirms", "latency_us", "latency_from", "waveform",
    "current_direction", "mode", "coil", "driver", "backend", "port", "usb_id", "usb_serial",
    "usb_product", "temperature_c", "faults" },
  codes = { "box", "baud", "line", "width_ms", "sent", "lost" },
  lsl = { "name", "uid", "on", "samples", "receivers", "lost", "refused" },
  safety = { "verdict", "profile", "table", "lab", "findings", "override", "approval", "history",
    "warning" },
  ["device.trigger"] = { "on", "line", "bytes", "after", "width_ms", "baud", "text" },
  ["safety.history"] = { "day", "week", "nerve_day", "nerve_week", "sessions", "last_end_s", "edited",
    "folder", "simulated", "notes", "unreadable" },
  ["safety.findings[]"] = { "verdict", "text", "layer", "table", "source", "confidence" },
  ["safety.override"] = { "reason", "by", "at" },
  ["preflight[]"] = { "id", "question", "answer" },
  result = { "status", "stop", "reason", "pulses_planned", "pulses_sent", "pulses_confirmed",
    "pulses_skipped", "pulses_unknown", "plan_complete", "lateness_us", "disarmed", "elapsed_s", "virtual",
    "damage", "torn_records", "missing_records", "files", "rebuilt", "flight_lost", "events_sum" },
  ["result.lateness_us"] = { "p50", "p95", "p99", "max" },
  ["notes[]"] = { "at", "who", "text" },
  ["files[]"] = { "file", "role", "as", "sha256" },
  clock = { "start", "end", "moved_apart_s", "jumps" },
  ["clock.start"] = { "wall", "monotonic_ns" }, ["clock.end"] = { "wall", "monotonic_ns", "why" },
  ["clock.jumps[]"] = { "at", "old", "new", "by_s" },
  start = { "waited_s", "trigger", "byte", "trigger_waited_s", "after_trigger_s", "passed_over" },
  host = { "kernel", "cpus", "realtime" },
  moonpulse = { "version", "commit", "compiler" },
  thresholds = { "rmt", "amt", "found" },
  lists = { ["device.devices"] = true, ["device.devices[].channels"] = true,
    ["safety.findings"] = true, preflight = true, files = true, ["clock.jumps"] = true,
    ["experiment.staircases"] = true, ["experiment.staircases[].track"] = true,
    ["experiment.thresholds"] = true, ["experiment.thresholds[].track"] = true, ["thresholds.found"] = true,
    ["experiment.curves"] = true, ["experiment.curves[].track"] = true,
    ["safety.history.notes"] = true, ["safety.history.unreadable"] = true },
}
for _, name in ipairs { "thresholds.rmt", "thresholds.amt", "thresholds.found[]" } do
  orders[name] = { "value", "unit", "kind", "device", "how", "date", "source", "run" }
end
orders["experiment.curves[].fit.intervals"] = { "mep_max_uv", "s50", "k" }
for _, name in ipairs { "mep_max_uv", "s50", "k" } do
  orders["experiment.curves[].fit.intervals." .. name] = { "low", "high", "percent" }
end
orders["device.devices[].thresholds"] = { "rmt", "amt" }
orders["device.devices[].taken"] = { "rmt", "amt" }
for _, name in ipairs { "rmt", "amt" } do
  orders["device.devices[].taken." .. name] = { "run", "date", "how", "why" }
end
for _, name in ipairs { "waveform", "current_direction", "mode", "coil" } do
  orders["device." .. name] = { "value", "shape", "serial", "source" }
  orders["device.devices[]." .. name] = orders["device." .. name]
end

orders.meta = {}
for i, each in ipairs(metas.keys) do
  orders.meta[i] = each[1]
end

local what = "What was given in this run, to whom, with which stimulator and how it ended%s; every pulse is "
  .. "in events.tsv, and docs/manifest.md says what each field means."
local so_far = { -- a run that was killed says so where it is looked at first
  running = " (it still goes on, or it was killed and its record is not whole: then moonpulse recover makes "
    .. "it whole)",
  interrupted = " (it was killed, or its record could not be closed; moonpulse recover made the record "
    .. "whole)",
}

--- The keys of a part of a manifest.
---@param part string
---@return string[]
function M.keys(part)
  return orders[part]
end

--- What a manifest says that it is.
---@param status string of the run
---@return string
function M.what(status)
  return what:format(so_far[status] or "")
end

--- A manifest as text.
---@param manifest table
---@return string
function M.encode(manifest)
  return json.encode(manifest, orders)
end

--- Write a file of the folder anew; a full disk must not cost the one that is there.
local function write(folder, name, text)
  local path = folder .. "/" .. name
  core.disk(name)
  local ok, message = files.put(path, text)
  core.disk()
  if not ok then
    error({ code = "limit", message = ("cannot write %s: %s: %s, or name another folder with --out DIR")
      :format(path, message, require("moonpulse.text.room").remedy(message)) }, 0)
  end
end

--- Write manifest.json, and before it recover.json, without which it would not be enough for recover. Raises
--- a refusal { code, message } where one of them cannot be written.
---@param record moonpulse.Record
---@param manifest table
---@param internals moonpulse.Internals? what recover needs beside flight.bin; nil: as it is
function M.write(record, manifest, internals)
  if internals then
    internals.record_version = M.version
    local text = cjson.encode(internals) .. "\n"
    if text ~= record.internals then
      write(record.folder, "recover.json", text)
      record.internals = text
    end
  end
  if manifest.record_version then -- of an older version everything stays as it was
    manifest.what = M.what(manifest.status)
    manifest.result = machine_paths.without_all(manifest.result, { record.folder })
  end
  write(record.folder, "manifest.json", M.encode(manifest))
end

return M
