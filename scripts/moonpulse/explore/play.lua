--- One scenario as a whole run, in this process and in virtual time: what `moonpulse run` does, with nothing
--- left out but the terminal. What comes of it is evidence for moonpulse.explore.invariants.
local cjson = require "cjson.safe"
local code_boxes = require "moonpulse.driver.code_box"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local experiment_runs = require "moonpulse.run.experiment"
local experiments = require "moonpulse.experiment"
local facts = require "moonpulse.explore.devices"
local faults = require "moonpulse.simulation.faults"
local history_of = require "moonpulse.explore.history"
local histories = require "moonpulse.safety.history"
local box_inside = require "moonpulse.simulation.code_box"
local insides = require "moonpulse.simulation.inside"
local kills = require "moonpulse.explore.kill"
local lfs = require "lfs"
local live = require "moonpulse.run.live_line"
local marks = require "moonpulse.explore.marks"
local plans = require "moonpulse.explore.plan"
local protocol_runs = require "moonpulse.run.protocol"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.record"
local refusals = require "moonpulse.text.refusal"
local reports = require "moonpulse.report"
local safety_options = require "moonpulse.cli.safety_options"
local rigs = require "moonpulse.run.together"
local scripts = require "moonpulse.explore.script"
local several = require "moonpulse.explore.several"
local stim_verbs = require "moonpulse.experiment.stim_verbs"
local stops = require "moonpulse.run.stop_sources"
local triggers = require "moonpulse.driver.trigger_path"
local triggers_in = require "moonpulse.explore.triggers"
local troubles = require "moonpulse.explore.trouble"
local witness = require "moonpulse.simulation.witness"

local M = {}

local function nothing() end

local most_after_ns = 10000000000 -- of virtual time, for what a script began to come to its end
local most_flight = 12000 -- records: room for what a scenario gives, and little to clear


-- Things in place of others while a run goes on -------------------------------------------------------------

local Swaps = {}
Swaps.__index = Swaps

--- Put value in the place of owner[key], until this is closed.
---@param owner table
---@param key any
---@param value any
function Swaps:put(owner, key, value)
  self[#self + 1] = { owner, key, rawget(owner, key) }
  owner[key] = value
end

function Swaps:__close()
  for i = #self, 1, -1 do
    self[i][1][self[i][2]] = self[i][3]
  end
end

local nobody = assert(io.open("/dev/null", "w")) -- for notes that a terminal would get

-- The simulator ---------------------------------------------------------------------------------------------

--- The simulator's end of the wire, overheard: when it says something, beside that it gave a pulse.
local function overheard(run, wire)
  local of_pulse = run.facts.of_pulse
  return setmetatable({ write = function(_, bytes)
    local replies = run.replies
    if not of_pulse or not bytes:find(of_pulse) then
      replies[#replies + 1] = core.clock_ns()
    end
    return run.lost_ns == nil and wire:write(bytes)
  end }, { __index = function(_, key)
    return function(_, ...)
      if run.lost_ns == nil then
        return wire[key](wire, ...)
      end
    end
  end })
end

--- The run is over: nothing more goes wrong, at whichever of its devices.
local function finish(run)
  local whole = run.whole or run
  for _, part in ipairs(whole.parts or {}) do
    troubles.finish(part)
  end
  troubles.finish(whole)
  whole.ended_ns = whole.ended_ns or core.clock_ns()
end

--- Overhear what the simulator is sent and says, and ask it at the end how it is.
local function attend(run, inside, put)
  local served, own = inside.served, getmetatable(inside)
  local receive, wire = served.receive, served.pty
  run.served, run.wire, run.began_ns = served, wire, core.clock_ns()
  served.pty = overheard(run, wire)
  function served:receive(bytes, at_ns)
    local heard = run.heard
    heard[#heard + 1], heard[#heard + 2] = core.clock_ns(), bytes
    return receive(self, bytes, at_ns)
  end
  if troubles.has(run.scenario, "disk") then -- the witness has a disk of its own
    run.noted = { witness.header }
    served.log:close() -- else its header reaches the disk when the garbage collector comes to it
    served.log = { close = function() return true end, write = function(_, text)
      table.insert(run.noted, text)
      return true
    end }
  end
  troubles.begin(run, put)
  if run.scenario.killed_s and not run.whole then
    core.spawn(kills.at, run)
  end
  local function close(self)
    finish(run)
    own.__close(self)
    run.final = served.simulator:state()
    local until_ns = run.ended_ns + most_after_ns
    while (run.number or 1) == 1 and core.tasks() > run.tasks
      and core.clock_ns() < until_ns do -- parts of a script that still wait
      core.wait(0.1)
    end
  end
  inside.close = run.whole and close or nil -- as several are closed: the first one last
  return setmetatable(inside, { __index = own.__index, __close = close })
end

--- The same of one of several devices.
local function attend_part(run, inside, put)
  if not run.parts[1] then
    run.began_ns = core.clock_ns()
    troubles.begin(run, put)
    if run.scenario.killed_s then
      core.spawn(kills.at, run)
    end
  end
  return attend(several.begin(run), inside, put)
end

-- The run ---------------------------------------------------------------------------------------------------

local function options_of(scenario, folder)
  local text = troubles.device_text(scenario)
  return { speed = "max", seed = scenario.seed, out = folder, tolerance = scenario.tolerance_ms,
    late = scenario.late, stop_line = "none", timing = scenario.timing, rmt = plans.thresholds.rmt,
    amt = plans.thresholds.amt, guidelines = "rossi2009", fault = text and assert(faults.parse(text)) or {},
    participant = scenario.participant,
    codes = marks.box(scenario, code_boxes.for_show) }
end

local function driver_of(scenario)
  local driver = devices.configure(assert(devices.find(scenario.device)),
    facts.known[scenario.device].settings)
  if scenario.trigger then
    driver = triggers.apply(driver, assert(triggers.parse "sim"))
  end
  return driver
end

local kinds = {}

function kinds.protocol(run, options, given)
  local plan = plans.build(run.scenario.plan, run.scenario.codes)
  run.plan = plan
  given.protocol = protocols.protocol { id = "explored", name = "Explored",
    plan = function() return plan end }
  given.plan, given.drawn = common.build(options, given.protocol, {})
  given.facts = common.measure(given.plan, options.seed)
  run.planned = given.facts
  for i, each in ipairs(run.scenario.several or {}) do
    given.several = given.several or {}
    given.several[i] = { place = each.place, channels = { each.place }, simulated = true, options = {},
      driver = devices.configure(assert(devices.find(each.device)), several.settings(each)) }
  end
  given.driver = given.several and rigs.driver(given.several) or given.driver
  protocol_runs.run(options, given)
end

function kinds.experiment(run, options, given)
  local text = triggers_in.text(run.scenario.triggers)
  if text then
    options.triggers = options.out .. "/triggers"
    local file = assert(io.open(options.triggers, "w"))
    file:write(text)
    file:close()
  end
  given.experiment = experiments.experiment { id = "explored", name = "Explored", run = scripts.body(run) }
  experiment_runs.run(options, given)
end

--- The simulators are overheard, and what goes wrong begins with them.
local function put_simulators(run, swaps)
  local start = insides.start
  swaps:put(insides, "start", function(driver, log, wrong, simulator, far)
    if run.parts then
      for _, part in ipairs(run.scenario.flight and not run.parts[1] and run.record.together.parts or {}) do
        assert(part:open_flight(run.planned.pulses, run.planned.marks, true))
      end
      local own = several.troubles(run, #run.parts + 1)
      return attend_part(run, start(driver, log, own and troubles.device_text { troubles = own }),
        function(...) swaps:put(...) end)
    elseif run.planned and run.scenario.flight then -- what only a run in real time has of its own
      assert(run.record:open_flight(run.planned.pulses, run.planned.marks, true, run.scenario.codes))
    end
    if run.without_cuts then
      run.job.cuts = nil
    end
    far = far and not run.without_cuts and not troubles.has(run.scenario,
      "disk") -- its witness writes elsewhere
    return attend(run, start(driver, log, wrong, simulator, far), function(...) swaps:put(...) end)
  end)
end

--- What a real run has and this one has not: a terminal, signals, a clock.
local function put_swaps(run, swaps)
  local print_line = function(...)
    for _, value in ipairs { ... } do
      run.told[#run.told + 1] = tostring(value) .. "\n"
    end
  end
  swaps:put(_G, "print", print_line)
  swaps:put(io, "stderr", nobody)
  swaps:put(live, "new", function() return { update = nothing, finish = nothing, seconds = 0 } end)
  swaps:put(stops, "listen_for_signals", function(job)
    run.job = job
    core.phase "run"
  end)
  swaps:put(stops, "listen_for_keys", nothing)
  local session, create, flight = core.session, records.create, core.flight
  local stim = stim_verbs.new
  swaps:put(core, "flight", function(path, capacity, virtual) -- a script's is made for any script
    return flight(path, run.scenario.script and math.min(capacity, most_flight) or capacity, virtual)
  end)
  swaps:put(core, "session", function(events)
    local made = session(events)
    run.sessions[#run.sessions + 1] = made
    return made
  end)
  put_simulators(run, swaps)
  local start_box = box_inside.start
  swaps:put(box_inside, "start", function(log)
    run.box = start_box(log)
    if run.scenario.box then
      core.spawn(marks.trouble, run.box, run.scenario.box)
    end
    return run.box
  end)
  swaps:put(stim_verbs, "new", function(...)
    run.device = stim(...)
    return run.device
  end)
  swaps:put(records, "create", function(...)
    local record, message = create(...)
    run.record = record
    return record, message
  end)
  if troubles.has(run.scenario, "disk") then -- what a full disk had taken must not hang on this host's speed
    local began_ns = core.real_ns()
    swaps:put(core, "real_ns", function() return began_ns + (core.is_virtual() and core.clock_ns() or 0) end)
  end
  if not run.scenario.report then
    swaps:put(reports, "write", function(folder) return folder .. "/report.html" end)
  end
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

--- Who may do what with the files of a folder; within names it in the run's.
local function list_files(files, folder, within)
  if not lfs.attributes(folder, "mode") then
    return -- it was refused before it had one
  end
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then
      files[within .. name] = lfs.attributes(folder .. "/" .. name, "permissions")
    end
  end
end

--- What the run left in its folder.
local function gather(run)
  local folder = run.record and run.record.folder
  if not folder then
    return
  end
  run.folder, run.files = folder, {}
  list_files(run.files, folder, "")
  run.events_text = read(folder .. "/events.tsv")
  run.simulator_text = run.noted and table.concat(run.noted) or read(folder .. "/twin.tsv")
  for _, part in ipairs(run.parts or {}) do
    list_files(run.files, folder .. "/" .. part.place, part.place .. "/")
    part.simulator_text = part.noted and table.concat(part.noted)
      or read(("%s/%s/twin.tsv"):format(folder, part.place))
  end
  run.box_text = read(folder .. "/codes.tsv")
  run.manifest_text, run.journal_text = read(folder .. "/manifest.json"), read(folder .. "/journal.jsonl")
  run.internals_text = read(folder .. "/recover.json")
  run.manifest = run.manifest_text and cjson.decode(run.manifest_text)
  run.start_ns = run.record.start_ns
end

--- Run it. The folder of the run stays until it is emptied.
---@param scenario moonpulse.explore.Scenario
---@param folder string an empty one
---@param plant fun(put: fun(owner: table, key: any, value: any), run: table)? what is planted, for tests
---@param without_cuts boolean? without the short cuts of virtual time
---@return table run
function M.run(scenario, folder, plant, without_cuts)
  local run = { scenario = scenario, facts = scenario.several and several.facts(scenario)
    or facts.known[scenario.device], parts = scenario.several and {}, told = {}, stops = {}, met = {},
    heard = {}, replies = {}, sessions = {}, plays = {}, arms = {}, marks = {}, coded = {}, calls = {},
    waits = {}, watches = {}, fired = {}, waiting = {}, tasks = core.tasks(), without_cuts = without_cuts }
  run.largest = function()
    return lfs.attributes(run.record.folder .. "/events.tsv", "size") or 0
  end
  local real_ns = core.real_ns()
  do
    local swaps <close> = setmetatable({}, Swaps)
    put_swaps(run, swaps)
    local earlier = scenario.history and scenario.participant and history_of.write(scenario, folder)
    if earlier then
      local of = histories.of
      swaps:put(histories, "of", function(out, participant, _, real_pty)
        return of(out, participant, history_of.now(), real_pty)
      end)
    end
    if plant then
      plant(function(...) swaps:put(...) end, run)
    end
    run.ok, run.problem = pcall(function()
      local options = options_of(scenario, folder)
      run.policy = safety_options.policy(options, scenario.strict == true)
      kinds[scenario.kind](run, options, { driver = driver_of(scenario), simulated = true, values = {},
        policy = run.policy })
    end)
    run.earlier = earlier
    if earlier then
      earlier.touched = history_of.touched(earlier)
    end
    core.most_file()
    core.phase "none"
  end
  local problem = run.problem
  run.message = type(problem) == "table" and rawget(problem, "message") or problem and tostring(problem)
  run.code = run.ok and "ok" or type(problem) == "table" and rawget(problem, "code") or nil
  run.status = run.code and refusals.status[run.code] or not run.ok and 2 or 0
  run.took_ns = core.real_ns() - real_ns
  gather(run)
  return run
end

return M
