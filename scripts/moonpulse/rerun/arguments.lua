--- The arguments of moonpulse run that do the same again.
local boxes = require "moonpulse.driver.code_box"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local given_again = require "moonpulse.rerun.given_again"
local in_order = require "moonpulse.text.in_order"
local read = require "moonpulse.record.read"
local recipes = require "moonpulse.rerun.recipe"
local refusals = require "moonpulse.text.refusal"
local to_type = require "moonpulse.text.to_type"

local M = {}

-- handed on as they are given with rerun
local own = { "port", "answers", "trigger_in", "trigger_baud", "out", "participant", "operator",
  "stop_line", "lab", "preflight", "beyond_guidelines", "approval", "meta", "coil", "threshold", "sign",
  "start_on", "timeout" }

local function write(path, lines)
  local file, message = core.create_file(path)
  local ok = file and file:write(table.concat(lines, "\n"), lines[1] and "\n" or "")
  if not (ok and file:close()) then
    refusals.raise("fault", "cannot write %s for the run: %s", path:match("[^/]+$"),
      message and message:gsub("^.*: ", "") or "the disk is full")
  end
  return path
end

local function plain(list, name, value)
  if value ~= nil then
    list[#list + 1] = ("--%s=%s"):format(name, math.type(value) == "float" and recipes.text_of(value)
      or tostring(value))
  end
end

--- Of a run on several devices the simulators of all of them.
local function several_of(recipe, options)
  local list = {}
  for _, each in ipairs(type(recipe.begin.devices) == "table" and recipe.begin.devices or {}) do
    each = type(each) == "table" and each or {}
    list[#list + 1] = ("--device=%s=sim:%s"):format(tostring(each.place), tostring(each.name))
    for _, key in ipairs { "rmt", "amt" } do
      local text = each[key] ~= nil and recipes.text_of(each[key]) or nil
      plain(list, key, text and ("%s=%s"):format(tostring(each.place), text))
    end
    for _, text in ipairs(type(each.options) == "table" and each.options or {}) do
      plain(list, "device-option", ("%s:%s"):format(tostring(each.place), tostring(text)))
    end
    plain(list, "fault", each.faults and not options.continues and ("%s=%s"):format(tostring(each.place),
      tostring(each.faults)) or nil)
  end
  if list[1] and (options.device or options.port) then
    refusals.raise("usage", "the run was on several devices: it is done again on their simulators; on "
      .. "stimulators run it anew, with moonpulse run")
  end
  return list
end

--- The device: the simulator of the one that was used, unless a port is given.
local function device_of(recipe, options)
  local name = recipe.files.driver or tostring(recipe.begin.device.name)
  return options.device or options.port and name or "sim:" .. name
end

--- Answers and triggers: the files that the run had, else what the journal says came.
---@param is_timed boolean the run is in real time: triggers come from the journal alone, as then
local function add_inputs(list, recipe, options, scratch, is_timed)
  if recipe.is_experiment and not options.answers then
    local left = options.continues and options.continues.answers
    if not left then
      plain(list, "answers", recipe.files.answers or write(scratch .. "/answers.txt", recipe.answers))
    elseif left[1] then -- else the operator is asked
      plain(list, "answers", write(scratch .. "/answers.txt", left))
    end
  end
  plain(list, "start-on", recipe.begin.options.start_on)
  plain(list, "timeout", recipe.begin.options.start_on and recipe.begin.options.start_timeout_s)
  if is_timed then
    return
  elseif options.continues and options.continues.triggers then
    plain(list, "triggers", write(scratch .. "/triggers.txt", options.continues.triggers))
  elseif recipe.files.triggers then
    plain(list, "triggers", recipe.files.triggers)
  elseif recipe.triggers[1] then
    plain(list, "triggers", write(scratch .. "/triggers.txt", recipes.trigger_lines(recipe)))
  end
end

--- What must be the same on any device.
local function add_played(list, recipe, options)
  local from = recipe.begin.options
  local names = in_order.keys(type(recipe.begin.parameters) == "table" and recipe.begin.parameters or {})
  for _, name in ipairs(recipe.files.plan and {} or names) do
    local text = recipes.text_of(recipe.begin.parameters[name])
    list[#list + 1] = text and ("--param=%s=%s"):format(name, text) or nil
  end
  plain(list, "seed", recipe.begin.seed)
  local at = recipe.begin.begins_at
  if type(at) == "table" and at.what ~= "plan" and not options.continues then
    plain(list, at.what == "block" and "from-block" or "from-trial", math.tointeger(tonumber(at.number)) or 0)
  end
  for _, name in ipairs { "late", "timing", "guidelines" } do
    plain(list, name, options[name] or from[name])
  end
  plain(list, "tolerance", options.tolerance or from.tolerance_ms)
  local of_run = not options.device and type(from.device_options) == "table" and from.device_options or {}
  for _, set in ipairs { of_run, options.device_option } do
    for _, text in ipairs(set) do
      plain(list, "device-option", text)
    end
  end
end

--- The thresholds. On a port those of the run are taken only where it is for the one that they are of.
local function add_thresholds(list, recipe, options, is_real)
  local of, now = read.get(recipe.manifest, "participant"), options.participant
  local is_same = not is_real or now ~= nil and of == now
  for _, name in ipairs { "rmt", "amt" } do
    local was = recipe.begin.options[name]
    if was and not options[name] and not is_same then
      refusals.raise("usage", "--%s: the run's %s, %s %%MSO, is of %s, and this is for %s: give --%s N, as "
        .. "it was found for %s%s; nothing was armed", name, name:upper(), tostring(recipes.text_of(was)),
        of and tostring(of) or "nobody who was named", now or "nobody who is named", name, now or "them",
        now and "" or "; and --participant CODE")
    end
    plain(list, name, options[name] or was)
  end
end

--- Of the thresholds that are a run's, or a device's, which earlier runs found them.
local function taken_of(was, options)
  local taken = {}
  for _, name in ipairs { "rmt", "amt" } do
    local from = type(was) == "table" and type(was[name]) == "table" and not options[name] and was[name]
    local found = {}
    for _, key in ipairs { "run", "date", "how", "why" } do
      found[key] = from and type(from[key]) == "string" and escapes.shown(from[key]) or nil
    end
    taken[name] = found.run and found.date and found.why and found or nil
  end
  return next(taken) and taken
end

--- Of the thresholds that are the run's, which earlier runs found them.
---@param recipe moonpulse.Recipe
---@param options table of the command
---@return table<string, moonpulse.TakenThreshold>? nil: none
function M.taken(recipe, options)
  return taken_of(recipe.begin.options.taken, options)
end

--- The same of each of several devices.
---@param recipe moonpulse.Recipe
---@param of_device table<string, moonpulse.Thresholds>? by place: gets taken
function M.take_own(recipe, of_device)
  for _, each in ipairs(type(recipe.begin.devices) == "table" and recipe.begin.devices or {}) do
    local said = type(each) == "table" and (of_device or {})[each.place]
    if said then
      said.taken = taken_of(each.taken, {}) or nil
    end
  end
end

--- Whose stimulator those must be of: that of the run, which compared it with that of the one that found
--- them.
---@param recipe moonpulse.Recipe
---@param taken table<string, moonpulse.TakenThreshold>? of M.taken
---@param is_real boolean it is given on a port: a simulator does what any stimulator did
---@return table<string, string>? folders by "rmt", "amt"; nil: nothing is to be compared
function M.taken_from(recipe, taken, is_real)
  local folders = {}
  for name in pairs(is_real and taken or {}) do
    folders[name] = recipe.folder
  end
  return next(folders) and folders
end

--- On the simulator the limits, approval, preflight list, answers and triggers of the run are taken, so that
--- it is decided as it was. On a port only what is given now: they are of another person, or another day.
local function add_simulated(list, recipe, options, scratch)
  local from, safety = recipe.begin.options, recipe.manifest.safety
  safety = type(safety) == "table" and safety or {}
  plain(list, "speed", options.speed or "max")
  plain(list, "fault", not options.continues and from.faults or nil)
  plain(list, "trigger", options.trigger or from.trigger)
  if options.codes ~= "none" then
    plain(list, "codes", options.codes or tonumber(options.speed) ~= 1 and boxes.recorded(from.codes) or nil)
  end
  if not options.lab then
    plain(list, "lab", recipe.files["lab limits"])
  end
  local override = type(safety.override) == "table" and safety.override
  if override and not options.beyond_guidelines then
    plain(list, "beyond-guidelines", override.reason)
    plain(list, "approval", read.get(recipe.manifest, "safety.approval"))
  end
  for _, name in ipairs { "meta", "preflight" } do
    plain(list, name, not options[name] and recipe.files[name] or nil)
  end
  list[#list + 1] = not options.unconfirmed and "--unconfirmed" or nil
  if recipe.is_experiment or from.start_on and tonumber(options.speed) ~= 1 then
    add_inputs(list, recipe, options, scratch, tonumber(options.speed) == 1)
  end
end

--- What a run of several devices is gone on with: the command, to be typed. Its files are those that the run
--- kept.
---@param recipe moonpulse.Recipe of a run on several devices
---@param trial integer with which it goes on
---@param marks_given integer? marks of catch trials right before it that were given
---@return string
function M.several_command(recipe, trial, marks_given)
  local from, files, list = recipe.begin.options, recipe.files, {}
  list[1] = files.plan or ("%s:%s"):format(files.protocol or "", tostring(recipe.begin.id))
  local devices = read.get(recipe.manifest, "device.devices")
  for i, option in ipairs(several_of(recipe, { continues = true })) do
    list[i + 1] = option
  end
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    for i, option in ipairs(list) do
      if not each.own_simulator and option == ("--device=%s=sim:%s"):format(each.place, each.name) then
        list[i] = ("--device=%s=%s@%s"):format(each.place, each.name, given_again.port(each.port) or "PORT")
      end
    end
  end
  add_played(list, recipe, { continues = true })
  for _, name in ipairs { "rmt", "amt" } do
    plain(list, name, from[name])
  end
  local speed = recipe.manifest.speed
  plain(list, "speed", speed ~= 1 and speed or nil)
  plain(list, "codes", speed == 1 and given_again.codes(from.codes) or boxes.recorded(from.codes))
  plain(list, "participant", read.get(recipe.manifest, "participant"))
  for _, each in ipairs { { "lab", "lab limits" }, { "meta", "meta" }, { "preflight", "preflight" } } do
    plain(list, each[1], files[each[2]])
  end
  plain(list, "from-trial", trial)
  plain(list, "marks-given", marks_given)
  for i, word in ipairs(list) do
    list[i] = word:find "^[%w%._/=@:,%%+-]+$" and word or to_type.path(word)
  end
  return "moonpulse run " .. table.concat(list, " ")
end

--- The list.
---@param recipe moonpulse.Recipe
---@param options table of the command
---@param scratch string a folder for files that the run reads
---@return string[]
---@return boolean is_real a port was given
function M.of(recipe, options, scratch)
  local several = several_of(recipe, options)
  local device = device_of(recipe, options)
  local is_real = device:find("^sim") == nil and not several[1]
  local list = { recipes.argument(recipe, options.continues ~= nil),
    not several[1] and "--device=" .. device or nil }
  table.move(several, 1, #several, #list + 1, list)
  add_played(list, recipe, options)
  add_thresholds(list, recipe, options, is_real)
  if is_real then
    plain(list, "trigger", options.trigger)
    plain(list, "codes", options.codes ~= "none" and options.codes or nil)
  else
    add_simulated(list, recipe, options, scratch)
  end
  for _, name in ipairs(own) do
    plain(list, (name:gsub("_", "-")), options[name])
  end
  for _, name in ipairs { "share_with_group", "xdf", "real_pty", "unconfirmed" } do
    list[#list + 1] = options[name] and "--" .. name:gsub("_", "-") or nil
  end
  return list, is_real
end

return M
