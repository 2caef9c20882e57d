--- An experiment on a simulator, in virtual time: are the lists of all its plans the same?
local admission = require "moonpulse.stimulator.admission"
local chances = require "chance"
local compare = require "five_lists.compare"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local ending = require "moonpulse.run.ending"
local experiments = require "moonpulse.experiment"
local journals = require "moonpulse.record.journal"
local heard = require "five_lists.heard"
local live = require "moonpulse.run.live_line"
local lists = require "five_lists.lists"
local plants = require "five_lists.plant"
local play = require "five_lists.play"
local refusals = require "moonpulse.text.refusal"
local report = require "moonpulse.report"
local handles = require "moonpulse.experiment.handle"
local runner = require "moonpulse.run.experiment"
local safety_options = require "moonpulse.cli.safety_options"
local script = require "five_lists.script"
local sessions = require "five_lists.world_session"
local shell = require "shell"
local stops = require "moonpulse.run.stop_sources"
local trials = require "five_lists.trial"
local triggers = require "moonpulse.driver.trigger_path"
local processes = require "moonpulse.simulation.process"
local witness = require "moonpulse.simulation.witness"
local worlds = require "five_lists.world"

local M = {}

local function nothing() end

--- A simulator that is no process, but in world.
local function stand_in(world, seed)
  local device = { chance = chances.new(seed) }
  return function(driver, log)
    local model = assert(devices.simulator(driver))
    local settings = devices.simulator_settings(driver, model)
    settings.latency = nil
    device.simulator, device.serial = model.new(settings), driver.serial
    device.log = assert(io.open(log, "w"))
    device.log:write(witness.header)
    return setmetatable({ path = "simulator", trigger_path = "simulator's trigger" }, {
      __close = function() device.log:close() end,
    })
  end, function(handlers)
    return sessions.maker(world, device)(handlers)
  end
end

--- A flight record that nobody will read.
local flight = setmetatable({ room = function() return math.maxinteger end,
  play = function() return true end }, { __index = function() return nothing end })

--- What was admitted last, what the gate judged for it, and for which starts.
local function follow(swap, admitted)
  local admit = admission.admit
  swap(admission, "admit", function(given)
    local made
    local _, judged = lists.judging(function() made = admit(given) end)
    admitted.last, admitted.judged, admitted.starts = made, judged, { made.judged_s }
    return made
  end)
  local again = admission.again
  swap(admission, "again", function(made, at_s)
    local _, judged = lists.judging(function() again(made, at_s) end)
    admitted.judged = judged or admitted.judged
    table.insert(admitted.starts, made.judged_s)
  end)
end

--- Everything in place of what only a real run can do.
local function in_world(world, seed, admitted, action)
  return plants.during(function(swap)
    local start, session = stand_in(world, seed)
    swap(processes, "start", start)
    swap(core, "session", session)
    swap(core, "flight", function() return flight end)
    swap(stops, "listen_for_signals", nothing)
    swap(stops, "listen_for_keys", nothing)
    swap(report, "write", nothing)
    swap(live, "new", function() return { update = nothing, finish = nothing, seconds = 0 } end)
    swap(_G, "print", nothing)
    swap(ending, "line", nothing)
    follow(swap, admitted)
  end, action)
end

local function driver_of(device, timing)
  local driver = devices.configure(assert(devices.find(device.name)), device.settings)
  if timing == "trigger" then
    driver, timing = triggers.apply(driver, assert(triggers.parse("sim"))), "host"
  end
  return driver, timing
end

local actions = {
  arm = function(stim) stim:arm() end,
  arm_for = function(stim, _, step) stim:arm(step.built) end,
  arm_stopped = function(stim, run, step)
    local over
    run:spawn(function()
      run:sleep(step.seconds)
      stim:disarm()
      over = true
    end)
    pcall(stim.arm, stim, step.built)
    while not over do
      run:sleep(0.05)
    end
  end,
  disarm = function(stim) stim:disarm() end,
  stop = function(_, run) run:stop("drawn") end,
  sleep = function(_, run, step) run:sleep(step.seconds) end,
  mark = function(_, run, step) run:mark(step.text) end,
  status = function(stim) stim:status() end,
}

local own_stops = { finished = true, requested = true }

--- Did a step fail because the run is over?
local function is_end(stim, problem)
  local stopped = handles.object(stim).stimulator.stopped
  return refusals.is_fault(problem) or stopped and not own_stops[stopped]
end

--- Do one step; true, or false where it was refused before anything was sent.
local function perform(self, stim, run, step)
  local known, at = #self.plays, step.ahead and run:now() + step.ahead or nil
  local ok, result = pcall(function()
    if step.what == "play" or step.what == "fire" then
      local from = stim[step.what](stim, step.built, at and { at = at } or nil)
      self.plays[known + 1] = { plan = step.plan, built = step.built, start_s = from, at = at,
        admitted = self.admitted.last, judged = self.admitted.judged,
        starts = self.admitted.starts }
    else
      actions[step.what](stim, run, step)
    end
  end)
  if not ok and is_end(stim, result) then
    error(result, 0)
  elseif not ok then -- the plan is not for this device, or not from where it is
    self.refusals[#self.refusals + 1] = type(result) == "table" and result.message or result
    return false
  end
  return true
end

--- A plan that was not played is tried again, or armed for anew; where nothing helps it is left out.
local function try_again(self, stim, run, step)
  local later = setmetatable({ ahead = false }, { __index = step })
  if step.ahead and step.again and perform(self, stim, run, later) then
    return
  end
  stim:disarm()
  if perform(self, stim, run, { what = "arm_for", built = step.built }) then
    perform(self, stim, run, step.again and later or step)
  else
    stim:arm()
  end
end

--- Do the steps.
local function body(self, steps)
  return function(run)
    local stim = run:device()
    self.start_ns = core.clock_ns() - math.floor(run:now() * 1e9 + 0.5)
    for _, step in ipairs(steps) do
      local done = perform(self, stim, run, step)
      if not done and step.what == "arm_for" then
        stim:arm()
      elseif not done and stim:armed() then
        try_again(self, stim, run, step)
      end
    end
  end
end

local function options_of(folder, seed, timing)
  return { speed = 1, seed = seed, out = folder, tolerance = 1, late = "abort", stop_line = "none",
    timing = timing, rmt = play.thresholds.rmt, amt = play.thresholds.amt, guidelines = "rossi2009" }
end

--- Run the steps; what was played, how it ended, and what its folder holds.
local function run(folder, trial, steps)
  local self = { plays = {}, refusals = {}, admitted = {} }
  local driver, timing = driver_of(trial.device, trial.timing)
  local experiment = experiments.experiment { id = "drawn", name = "Drawn", run = body(self, steps) }
  local world = worlds.new(7000000000 + trial.seed)
  local ok, problem = in_world(world, trial.seed, self.admitted, function()
    return pcall(world.run, world, function()
      local options = options_of(folder .. "/runs", trial.seed, timing)
      runner.run(options, { driver = driver, simulated = true, experiment = experiment, values = {},
        policy = safety_options.policy(options, false) })
    end)
  end)
  self.ended = not ok and (type(problem) == "table" and problem.message or tostring(problem)) or nil
  local path = folder .. "/runs/" .. (shell.names(folder .. "/runs")[1] or "")
  self.job, self.record = { driver = driver }, { start_ns = self.start_ns }
  self.events, self.simulator = shell.read(path .. "/events.tsv"), shell.read(path .. "/twin.tsv")
  self.journal = journals.read(path)
  self.manifest = shell.read(path .. "/manifest.json")
  shell.remove(folder .. "/runs")
  return self
end

-- The lists -------------------------------------------------------------------------------------------

local function moved(rows, by_ns, into)
  for _, row in ipairs(rows) do
    into[#into + 1] = setmetatable({ ns = row.ns + by_ns }, { __index = row })
  end
  return into
end

--- Rows with the first one's time at 0.
local function from_first(rows)
  return rows[1] and moved(rows, -rows[1].ns, {}) or rows
end

--- What is wrong with the starts that the gate judged a plan for: never one that is later than its own, and
--- its own at last.
local function wrong_start(each)
  for _, judged_s in ipairs(each.starts) do
    if judged_s > each.start_s + 2e-9 then
      return ("the gate judged it for %.9f s: it started at %.9f s"):format(judged_s, each.start_s)
    end
  end
  local last_s = each.starts[#each.starts]
  return each.start_s - last_s > 2e-9
    and ("the gate judged it last for %.9f s: it started at %.9f s"):format(last_s, each.start_s) or nil
end

--- What is wrong with one of the plans; adds its rows to self.wanted.
local function look_at(self, number, each, device)
  local entry = self.entries[number]
  if not entry then
    return "it is not in the journal"
  elseif entry.play ~= number then
    return "the journal has it as plan " .. entry.play
  end
  local listed = lists.listed(each.built, entry.seed)
  local wanted, why = trials.expected(each.plan, listed, device.grid)
  if not wanted then
    return why
  end
  local admitted, judged = each.admitted, each.judged
  local lowered = lists.lowered({ job = { lowering = admitted.lowering, actions = admitted.actions,
    driver = self.job.driver, first = admitted.first } }, device.shape)
  local start_ns = math.floor(each.start_s * 1e9 + 0.5)
  self.pulses = self.pulses + #compare.pulses(wanted)
  moved(wanted, start_ns, self.wanted)
  local written = { name = "written", rows = wanted }
  if judged.pulses ~= self.pulses or admitted.report.pulses ~= self.pulses then
    return ("the gate judged %d pulses with those given before, and told of %d: there are %d"):format(
      judged.pulses, admitted.report.pulses, self.pulses)
  elseif each.at and math.abs(each.at - each.start_s) > 2e-9 then
    return ("it started at %.9f s, asked was %.9f s"):format(each.start_s, each.at)
  elseif math.abs(entry.start_ns - self.start_ns - start_ns) > 2 then
    return "the journal has another start"
  end
  -- what counts are the distances
  local pulses = from_first(heard.ordered(compare.pulses(wanted)))
  return wrong_start(each) or compare.difference({ name = "written", rows = pulses },
    { name = "judged", rows = from_first(judged.rows) }, trials.as_heard)
    or compare.difference(written, { name = "lowered", rows = lowered }, trials.exactly)
end

--- The rows of what the script itself wrote are no marks of a plan.
local function of_plans(rows)
  local made = {}
  for _, row in ipairs(rows) do
    made[#made + 1] = (not row.mark or row.mark:find("^mark ")) and row or nil
  end
  return made
end

--- What is wrong with the whole run.
local function first_difference(self, device)
  for _, entry in ipairs(self.journal or {}) do
    if entry.kind == "play" then
      self.entries[#self.entries + 1] = entry
    end
  end
  for number, each in ipairs(self.plays) do
    local why = look_at(self, number, each, device)
    if why then
      return ("plan %d: %s"):format(number, why)
    end
  end
  local sent, planned, odd = lists.recorded(self)
  local written = { name = "written", rows = self.wanted }
  local coming = { name = "written", rows = trials.on_outputs(compare.pulses(self.wanted), device) }
  local given = { name = "given", rows = trials.in_time(lists.given(self, device)) }
  return compare.difference(coming, given, trials.given_tolerance(device))
    or compare.difference(written, { name = "recorded as planned", rows = of_plans(planned) }, trials.exactly)
    or compare.difference(written, { name = "recorded as sent", rows = of_plans(sent) }, trials.as_sent)
    or odd
end

local function text_of(steps)
  local lines = {}
  for i, step in ipairs(steps) do
    local plays = step.plan and (step.what == "play" or step.what == "fire")
    local source = plays and "\n" .. step.plan.source or ""
    lines[i] = ("%s %s%s"):format(step.what, step.seconds or step.text or step.ahead or "", source)
  end
  return table.concat(lines, "\n")
end

--- Draw an experiment and run it.
---@param folder string
---@param trial table seed, device, timing as in five_lists.trial; steps: instead of drawn ones
---@return integer? plays how many plans were played; nil where a list differs
---@return string what differs, with the experiment; or what was refused
---@return table[]? plays with start_s, starts (that the gate judged it for) and admitted
function M.run(folder, trial)
  local device = trial.device
  local drawn = trial.timing == "device" and device.own or device.paces
  local steps = trial.steps or script.steps(trial.seed, drawn)
  for _, step in ipairs(steps) do
    step.built = step.plan and play.build(folder, step.plan.source, step.plan.seed)
  end
  local self = run(folder, trial, steps)
  self.entries, self.wanted, self.pulses = {}, {}, 0
  local why = self.ended and "it ended with: " .. self.ended
  why = self.simulator and first_difference(self, device) or why
  if why then
    return nil, ("seed %d, %s, timing %s: %s%s\n%s"):format(trial.seed, device.name, trial.timing, why,
      self.ended and "; it ended with: " .. self.ended or "", text_of(steps))
  end
  return #self.plays, table.concat(self.refusals, "\n"), self.plays
end

return M
