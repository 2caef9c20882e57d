--- What a run's journal says as well of what its manifest says: who edits the manifest leaves it behind.
--
-- All of a manifest is told but what can be made anew from the journal itself, from the rows and from
-- sources/: so a value that is new in the manifest is told, too, and moonpulse verify compares each of them.
-- In virtual time the same seed gives the same journal: what hangs on when and where it was played is told by
-- the line that seals the folder.
local copy = require("moonpulse.text.deep_copy").of

local M = {}

-- made anew by moonpulse.verify.derived
local derived = { "thresholds", "conditions", "trials", "experiment.plays", "experiment.staircases",
  "experiment.thresholds", "experiment.curves", "result.lateness_us" }
-- said by the journal's first line, by sources/ or by the chain
local elsewhere = { "participant", "operator", "seed", "parameters", "meta", "moonpulse.version",
  "moonpulse.commit", "result.events_sum", "journal_head", "journal_lines" }
-- of when and where it was played, and what was done to its folder
local own = { "started", "ended", "speed", "clock", "host", "session", "device.port", "safety.history",
  "safety.override.at", "result.elapsed_s", "result.virtual.took_s", "result.files", "result.rebuilt" }
-- known only when the journal has its last line
local later = { "ended", "clock.end", "clock.moved_apart_s", "result.files" }

--- The table that holds the last name of a path, and that name; nil: there is none.
local function place_of(root, path)
  local at, name = root, path:match("[^.]+$")
  for key in path:gmatch("([^.]+)%.") do
    at = type(at) == "table" and at[key] or nil
  end
  return type(at) == "table" and at or nil, name
end

local function leave_out(made, paths)
  for _, path in ipairs(paths) do
    local at, name = place_of(made, path)
    if at then
      at[name] = nil
    end
  end
end

--- For the line that says how the run ended.
---@param manifest table as it will be written
---@param virtual boolean the run was in virtual time
---@return table
function M.at_end(manifest, virtual)
  local made = copy(manifest)
  leave_out(made, derived)
  leave_out(made, elsewhere)
  leave_out(made, later)
  if virtual then
    leave_out(made, own)
  end
  return made
end

--- For the line that seals the folder: what hangs on when and where.
---@param manifest table as it was written
---@return table
function M.at_seal(manifest)
  local made = {}
  for _, path in ipairs(own) do
    local from, name = place_of(manifest, path)
    if from and from[name] ~= nil then
      local at = made
      for key in path:gmatch("([^.]+)%.") do
        at[key] = at[key] or {}
        at = at[key]
      end
      at[name] = copy(from[name])
    end
  end
  return made
end

--- For the line of who recovered the run, and wrote its manifest anew: of a killed run not all is in its
--- journal.
---@param manifest table as it was written
---@return table
function M.at_recovery(manifest)
  local made = copy(manifest)
  leave_out(made, elsewhere)
  return made
end

return M
