--- Real run folders for the fuzzer of records: every device, protocols and experiments, killed and recovered.
local cjson = require "cjson"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local shell = require "shell"

local M = {}

local options = { pulsepal = " --device-option full_scale_volts=5", trigger = " --device-option value=4" }
local first_plan = { magstim200 = 3, bistim = 3, rapid = 2 } -- what is refused needs not be asked for

-- the first that a device takes: two trains, one, or a pulse
local plans = { [[mp.train { pulses = 6, hz = 20,
  intensity = mp.mso(40) } .. mp.mark "between" .. mp.rest(0.1) .. mp.train { pulses = 3, hz = 10,
  intensity = mp.mso(50) }]], [[mp.train { pulses = 6, hz = 10,
  intensity = mp.mso(40) } .. mp.mark "behind"]], [[mp.pulse(mp.mso(40)) .. mp.mark "behind"]] }
local protocol = [[local mp = require "moonpulse"
return mp.protocol { id = "fuzz", name = "Fuzz", plan = function() return %s end }]]
local experiment = [[local mp = require "moonpulse"
return mp.experiment { run = function(run)
  local stim, plan = run:device(), %s
  stim:arm(plan)
  run:mark "begun"
  stim:play(plan)
  run:sleep(%s)
  stim:play(plan)
  run:stop "enough"
end }]]

local function copy(from, to)
  os.execute(("rm -rf %s; cp -r %s %s"):format(shell.quote(to), shell.quote(from), shell.quote(to)))
end

--- The folder with its manifest changed by change.
local function with_manifest(path, change)
  local manifest = cjson.decode(shell.read(path .. "/manifest.json"))
  change(manifest)
  shell.write(path .. "/manifest.json", cjson.encode(manifest))
end

local function torn(manifest)
  manifest.status, manifest.result = "running", nil
end

--- A run that ended, the same as if it had been killed at its end and half way, and these recovered.
local function variants(path, base)
  with_manifest(path, function(manifest)
    manifest.participant, manifest.device.simulated = "P07", false
  end)
  copy(path, base .. "-ended")
  copy(path, base .. "-torn")
  with_manifest(base .. "-torn", torn)
  copy(base .. "-torn", base .. "-recovered")
  recover.run(base .. "-recovered", nil, reports.write)
  copy(base .. "-torn", base .. "-cut")
  local flight, events = shell.read(path .. "/flight.bin"), shell.read(path .. "/events.tsv")
  shell.write(base .. "-cut/flight.bin", flight:sub(1, 4096 + (#flight - 4096) // 128 * 64))
  shell.write(base .. "-cut/events.tsv", events:sub(1, #events // 2))
end

local function run_once(folder, name, what)
  local file, message = ("%s/%s.lua"):format(folder, what), nil
  for i = first_plan[name] or 1, #plans do
    local out = ("%s/%s-%s-%d"):format(folder, name, what, i)
    local plan = plans[i]
    shell.write(file, what == "protocol" and protocol:format(plan)
      or experiment:format(plan, i == #plans and "4.5" or "0.1"))
    local status, _, err = shell.moonpulse(folder, ("run %s --device sim:%s%s --tolerance 500 --seed 1 "
      .. "--out %s --beyond-guidelines fuzz --approval none"):format(file, name, options[name] or "", out))
    local path = (status == 0 or status == 5) and shell.names(out)[1]
    if path then
      return ("%s/%s"):format(out, path)
    end
    message = err
  end
  error(("%s, %s: no run: %s"):format(name, what, message), 0)
end

--- Make them; bases of them are what was made. One that was killed by SIGKILL is among them.
---@param folder string
---@param names string[] devices
---@return string[] paths
function M.make(folder, names)
  os.execute(("rm -rf %s; mkdir -p %s"):format(shell.quote(folder), shell.quote(folder)))
  local list = {}
  for _, name in ipairs(names) do
    for _, what in ipairs { "protocol", "experiment" } do
      local base = ("%s/%s-%s-base"):format(folder, name, what)
      variants(run_once(folder, name, what), base)
      for _, kind in ipairs { "-ended", "-torn", "-recovered", "-cut" } do
        list[#list + 1] = base .. kind
      end
    end
  end
  local out, file = folder .. "/killed", folder .. "/protocol.lua"
  shell.sh(folder, ("timeout -s KILL 1 %s run %s --tolerance 500 --out %s --beyond-guidelines fuzz "
    .. "--approval none"):format(shell.quote(shell.program), file, out))
  for _, name in ipairs(shell.names(out)) do
    list[#list + 1] = out .. "/" .. name
  end
  return list
end

return M
