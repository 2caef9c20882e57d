--- How a run ended, as data for other programs: what its record says.
local begins = require "moonpulse.record.begins"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"

local M = {}

local get = read.get

--- What an experiment's input-output curves came to, without their trials.
local function curves_of(manifest)
  local curves = {}
  for i, each in ipairs(get(manifest, "experiment.curves") or {}) do
    curves[i] = { fit = each.fit, why = each.why, unit = each.unit, device = each.device,
      trials = each.trials }
  end
  return curves[1] and curves
end

--- The result of a run that has ended, from its folder.
---@param folder string
---@param status integer the exit status
---@param message string? why it did not come to its end
---@return table as docs/schemas/run.schema.json
function M.of(folder, status, message)
  local manifest = read.manifest(folder .. "/manifest.json") or {}
  local path = folder .. "/" .. seals.name
  local seal = lfs.attributes(path, "mode") == "file" and sha256.of_file(path) or nil
  local found = type(manifest.result) == "table" and manifest.result or {}
  return { what = "moonpulse run", folder = folder, exit_status = status, message = message,
    kind = manifest.kind, id = get(manifest, "protocol.id") or get(manifest, "experiment.id"),
    status = manifest.status, stop = found.stop, reason = found.reason,
    simulated = get(manifest, "device.simulated"), verdict = get(manifest, "safety.verdict"),
    -- a run that came to nothing has no more than what was planned
    pulses = found.pulses_planned and { planned = found.pulses_planned, sent = found.pulses_sent or 0,
      confirmed = found.pulses_confirmed or 0, skipped = found.pulses_skipped or 0 } or nil,
    begins_at = begins.data(manifest), lateness_us = found.lateness_us,
    curves = curves_of(manifest) or nil, seal = seal or nil }
end

return M
