--- Was a run on a simulator? The manifest and the journal say so, and so does how it was driven.
local lfs = require "lfs"
local read = require "moonpulse.record.read"

local M = {}

--- Why it cannot be as the manifest says; nil: it can.
local function contradiction(folder, manifest, options)
  local simulated = read.get(manifest, "device.simulated") == true
  local own = read.get(manifest, "device.own_simulator") == true
  local backend = read.get(manifest, "device.backend")
  if manifest.speed ~= nil and manifest.speed ~= 1 and not simulated then
    return "device.simulated is not true, and the run was in virtual time, in which nothing goes to a port"
  elseif own and not simulated then
    return "device.simulated is not true, and own_simulator is"
  elseif lfs.symlinkattributes(folder .. "/twin.tsv", "mode") and not own then
    return "device.own_simulator is not true, and there is twin.tsv, which only a run's own simulator writes"
  elseif backend == "serial" and simulated then
    return "device.simulated is true, and the device was at a serial port"
  elseif backend == "pty" and not simulated and options.real_pty ~= true then
    return "device.simulated is not true, and the device was a program behind a pseudo-terminal; nobody has "
      .. "said that it hands on to a real stimulator (--real-pty)"
  end
end

--- Check it.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, lines, findings)
  local begin = lines[1] and lines[1].entry
  local options = begin and type(begin.options) == "table" and begin.options or {}
  local why = contradiction(folder, manifest, options)
  if why then
    findings:differ("manifest.json", nil, "%s", why)
  end
end

return M
