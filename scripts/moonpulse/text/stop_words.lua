--- Why a run was stopped, and what to do about it, in words: those of the table in engine/stop.c.
local core = require "moonpulse.core"

local M = {}

--- What to do about it, to be said after how far the run came; "" where nothing is to be said.
---@param reason string
---@param scripted any true: an experiment's
function M.remedy(reason, scripted)
  if reason == "stuck" and core.hung_file() then
    return "; write the record to a disk of this computer, or another one, with --out DIR"
  end
  local row = core.stops[reason] or {}
  local text = scripted and row.scripted_remedy or row.remedy
  return text and "; " .. text or ""
end

--- A reason of the engine's, in words.
---@param reason string
---@param scripted any true: an experiment's, so the script may be the one that did not yield
function M.words(reason, scripted)
  if reason == "stuck" and core.muted() then
    return "nobody took what Moonpulse printed for half a second (a held terminal, a full pipe)"
  end
  if reason == "stuck" and core.hung_file() then
    return ("the disk hung: Moonpulse waited for half a second and more to write %s"):format(core.hung_file())
  end
  local row = core.stops[reason] or { words = reason }
  return scripted and row.scripted_words or row.words
end

return M
