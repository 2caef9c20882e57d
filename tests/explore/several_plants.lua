--- Faults planted in what drives several devices, as those of product_plants.lua.
local codes = require "moonpulse.stimulator.codes"
local runs = require "explore.scenarios"
local stimulators = require "moonpulse.stimulator"
local stops = require "moonpulse.run.stop_sources"
local stretches = require "moonpulse.record.replay_stretch"

--- Of several devices each does otherwise: change(stimulator, place).
local function each_of_several(change)
  return function(put)
    local own = stimulators.new
    put(stimulators, "new", function(job, ...)
      local made = own(job, ...)
      change(made, job.place)
      return made
    end)
  end
end

--- Nobody tells the others that it stops, and the left one does not heed what it is asked while it plays.
local function alone(made, place)
  local play, arm, is_playing = made.play, made.arm, false
  function made:play(...)
    is_playing = true
    local ok, problem = pcall(play, self, ...)
    is_playing = false
    assert(ok, problem)
  end
  function made:arm(...)
    local job = self.job
    self.job = setmetatable({}, { __index = function(_, key) return key ~= "own" and job[key] or nil end })
    arm(self, ...)
    self.job = job
  end
  for _, name in ipairs(place == "left" and { "stop", "interrupt" } or {}) do
    local own = made[name]
    made[name] = function(...)
      return not is_playing and own(...)
    end
  end
end

--- Pulses of one device in a row are recovered as of a run on one device: into no table.
local function writing_stretches(put)
  local own = stretches.write
  put(stretches, "write", function(record, ...)
    local share = record.share
    record.share = nil
    local rest, number = own(record, ...)
    record.share = share
    return rest, number
  end)
end

return {
  { "mutual-timing", runs.two, each_of_several(function(made, place)
    local play = made.play
    function made:play(admitted, how)
      local later_ns = place == "right" and 1000000 or 0
      return play(self, admitted, setmetatable({ start_ns = how.start_ns + later_ns }, { __index = how }))
    end
  end) },
  { "codes-equal-pulses", runs.two_coded, function(put) -- the right one has no part in the box
    local own = codes.open
    put(codes, "open", function(stimulator)
      return stimulator.job.place ~= "right" and own(stimulator) or nil
    end)
  end },
  { "codes-stood-at-the-box", runs.two_coded, function(put) -- another box than the left one's
    local own = codes.open
    put(codes, "open", function(stimulator)
      local share = stimulator.record.share
      local together = share.together
      share.together = stimulator.job.place == "right" and { whole = { folder = stimulator.record.folder } }
        or together
      own(stimulator)
      share.together = together
    end)
  end },
  { "one-stop-stops-all", runs.two_drop, each_of_several(alone) },
  { "nothing-after-stop", runs.two_guard, each_of_several(alone) },
  { "safe-soon-after-stop", runs.two_guard, each_of_several(alone) },
  { "recovered-is-live", runs.two_recovered, writing_stretches, recover = true },
  { "killed-has-all", runs.two_recovered, writing_stretches },
  { "fault-names-its-device", runs.two_full, function(put)
    local own = stops.explain
    put(stops, "explain", function(context, outcome)
      return own(context, setmetatable({ place = false }, { __index = outcome }))
    end)
  end },
}
