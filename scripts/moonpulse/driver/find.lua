--- Finding drivers: the shipped ones, a file of the user's, the folders of MOONPULSE_PATH.
local bytes_read = require "moonpulse.text.bytes_read"
local command = require "moonpulse.driver.command"
local contract = require "moonpulse.driver.contract"
local known_names = require "moonpulse.text.known_names"
local lfs = require "lfs"

local M = {}

M.names = { "magventure", "magstim200", "bistim", "rapid", "pulsepal", "stimjim", "duomag", "trigger" }
M.default = "magventure" -- what --device sim means

local modules = { trigger = "trigger_box" } -- of drivers whose files have another name

local no_files = false -- files of drivers are not loaded any more

--- From now on this process knows the shipped drivers alone, and loads no file of a driver or simulator: it
--- reads what may be somebody else's. There is no way back.
function M.keep_to_shipped()
  no_files = true
end

local function shipped(name)
  return require("moonpulse.devices." .. (modules[name] or name))
end

--- The folders of $MOONPULSE_PATH, separated by colons.
local function folders()
  local list = {}
  for folder in (os.getenv("MOONPULSE_PATH") or ""):gmatch("[^:]+") do
    list[#list + 1] = folder
  end
  return list
end

local function kept(driver, where)
  local problems = contract.problems(driver)
  if #problems == 0 then
    return driver
  end
  return nil, ("%s is no driver yet: %s (docs/drivers.md says what a driver is)"):format(where,
    table.concat(problems, "; "))
end

local function load_file(path)
  if no_files then
    return nil, ("its driver %s is a file, and no driver that a record names is loaded"):format(path)
  end
  bytes_read.listen()
  local chunk, message = bytes_read.load_file(path, "t", nil, known_names.outside())
  if not chunk then
    return nil, ("the driver does not load: %s"):format(message)
  end
  local ok, driver = xpcall(chunk, function(problem)
    return tostring(problem)
  end, path)
  if not ok then
    return nil, ("the driver does not load: %s"):format(driver)
  end
  if type(driver) == "table" then
    driver.file, driver.folder = path, path:match("^(.*)/[^/]*$") or "."
  end
  return kept(driver, path)
end

local function is_file(path)
  return lfs.attributes(path, "mode") == "file"
end

--- The names that MOONPULSE_PATH adds: files that return a driver are known by their name.
---@return { name: string, path: string }[]
function M.user_files()
  local list = {}
  for _, folder in ipairs(folders()) do
    if lfs.attributes(folder, "mode") == "directory" then
      for file in lfs.dir(folder) do
        local name = file:match("^([%w_%-]+)%.lua$")
        if name and not name:find("_simulator$") and not name:find("_spec$") then
          list[#list + 1] = { name = name, path = folder .. "/" .. file }
        end
      end
    end
  end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

--- Is name that of a shipped driver?
---@param name string
---@return boolean
function M.known(name)
  for _, known in ipairs(M.names) do
    if known == name then
      return true
    end
  end
  return false
end

--- The drivers that somebody who wrote name may have meant: by a name like theirs, or by their device's.
local function like(name)
  local names = { "sim", table.unpack(M.names) }
  for _, file in ipairs(M.user_files()) do
    names[#names + 1] = file.name
  end
  local near = require("moonpulse.text.meant").near(name, names, 2)
  local wanted = name:lower():gsub("[%s_-]", "")
  for _, known in ipairs(near[1] and {} or M.names) do
    local words = shipped(known).description:lower():gsub("[%s_-]", "")
    if #wanted >= 3 and (words:find(wanted, 1, true) or wanted:find(known, 1, true)) then
      near[#near + 1] = known
    end
  end
  return near
end

--- A driver by its name, or by the path of its file, which is a program: name is the user's word, never
--- what a record or another file says.
---@param name string "rapid", "./mine.lua"
---@return moonpulse.Driver? driver
---@return string? message
function M.find(name)
  if M.known(name) then
    return kept(shipped(name), "the driver " .. name)
  end
  if no_files or name:find("%.lua$") or name:find("/", 1, true) then
    if not no_files and not is_file(name) then
      return nil, ("there is no driver file %s"):format(name)
    end
    return load_file(name)
  end
  for _, folder in ipairs(folders()) do
    local path = ("%s/%s.lua"):format(folder, name)
    if name:find("^[%w_%-]+$") and is_file(path) then
      return load_file(path)
    end
  end
  local question = require("moonpulse.text.meant").question(like(name))
  return nil, ("there is no device %q; %sknown: sim, %s, or the path of a driver's file, or a name in a "
    .. "folder of MOONPULSE_PATH"):format(name, question and question .. " " or "",
    table.concat(M.names, ", "))
end

--- What every driver takes beside its own options: a lab measures its own device.
M.latency_option = { "latency_ms", "number", 0, 1000, optional = true,
  help = "ms from a command's end to the pulse, as you have measured it" }

--- A device's own latency, as somebody measured it, instead of the driver's: of its command, and where it is
--- fired over its trigger input of that.
local function take_latency(own, ms)
  own.latency, own.latency_from = ms / 1000, "given with --device-option latency_ms"
  if own.trigger_latency or own.trigger_confirms ~= nil then -- else it has no such input
    own.trigger_latency = own.latency
  end
end

--- A driver as one run uses it: its options checked, what depends on them settled.
---@param driver moonpulse.Driver
---@param given table<string, string>? as --device-option says
---@return moonpulse.Driver driver a copy, with options, serial and safe as plain values
function M.configure(driver, given)
  local specs = {}
  for _, spec in pairs(driver.options or {}) do
    specs[#specs + 1] = spec
  end
  specs[#specs + 1] = M.latency_option
  table.sort(specs, function(a, b) return a[1] < b[1] end)
  local values = command.values("the " .. driver.description .. " (--device-option)", specs,
    given or {})
  local latency_ms = values.latency_ms
  values.latency_ms = nil -- the rest is the driver's
  local own = setmetatable({ settings = values }, { __index = driver })
  for _, key in ipairs { "serial", "safe", "encode", "latency", "confirms", "keepalive", "setting_proof" } do
    if type(driver[key]) == "function" then
      own[key] = driver[key](values)
    end
  end
  if latency_ms then
    take_latency(own, latency_ms)
  end
  own.setting_proof = own.setting_proof or driver.tells and "read" or "none"
  own.limits = function(identity, fired_by)
    return driver.limits(identity, fired_by, values)
  end
  return own
end

--- What of a driver's options its simulator knows too: both then speak of the same device.
---@param driver moonpulse.Driver configured
---@param model moonpulse.SimulatorModel the simulator's module
---@return table<string, any>
function M.simulator_settings(driver, model)
  local settings = {}
  for _, spec in ipairs(model.options or {}) do
    settings[spec[1]] = (driver.settings or {})[spec[1]]
  end
  return settings
end

--- The simulator's model of a driver.
---@param driver moonpulse.Driver
---@return moonpulse.SimulatorModel? model
---@return string? message
function M.simulator(driver)
  local name = driver.simulator
  if not name then
    return nil, ("the driver %s has no simulator: it cannot be simulated"):format(driver.name)
  elseif no_files and not name:find("^[%w_]+$") then
    return nil, ("its simulator %s is a file, and none that a record names is loaded"):format(name)
  elseif name:find("%.lua$") then
    local path = name:find("^/") and name or (driver.folder or ".") .. "/" .. name
    bytes_read.listen()
    local chunk, message = bytes_read.load_file(path, "t", nil, known_names.outside())
    if not chunk then
      return nil, ("the simulator does not load: %s"):format(message)
    end
    driver.simulator_file = path
    return chunk(path)
  end
  return require("moonpulse.simulators." .. name)
end

return M
