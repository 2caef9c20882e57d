--- Fuzzes command lines: every subcommand with random options and values.
--
-- moonpulse lua tests/fuzz/commands.lua FOLDER COUNT [FIRST]: COUNT command lines, from number FIRST on.
-- moonpulse lua tests/fuzz/commands.lua FOLDER one N: number N again, with what it says.
--
-- What may never happen: a Lua error as it is, a control character in a message, more than 5 s of computing,
-- a crash, an exit status that is not documented. Many are tried in a process, as cli.main has them; the
-- process is watched from outside. What would take its time by its nature is left out or kept short: runs are
-- in virtual time, a simulator ends with its input, the benchmark is not begun.
package.path = "tests/?.lua;tests/helpers/?.lua;tests/fuzz/?.lua;" .. package.path
local called = require "called"
local lfs = require "lfs"
local progress = require "progress"
local shell = require "shell"
local trial = require "trial_run"

local random = math.random
local folder, how, first = arg[1], arg[2], tonumber(arg[3]) or 1
local here = lfs.currentdir()

local function pick(list)
  return list[random(#list)]
end

local odd = { "", "-1", "0", "1", "2", "1.5", "1e9", "1e308", "1e999", "-1e308", "nan", "inf", "0x10", "1/3",
  "99999999999999999999", "9223372036854775807", "a", "=", "a=", "=1", "a=b", "a=b=c", "%s%n", "%d",
  "\255\254", "\27[2J", "a\nb", "\t", "日本", "[[[[", "--", "-", "--x", "max", "sim", "sim:", "sim:x", "auto",
  "/dev/null", "nowhere/at/all", ".", "..", "made.lua", "broken.lua", "exp.lua", "made.plan", "run",
  ("x"):rep(300), "{", "p99=0.5ms", "drop@1", "drop@-1", "flip@1e9,nak@0" }
local common = { rmt = { "45", "40", "100" }, amt = { "40" }, seed = { "1", "42" }, speed = { "max" },
  device = { "sim", "magventure", "sim:rapid", "sim:bistim", "sim:magstim200", "sim:duomag", "sim:pulsepal",
  "sim:stimjim", "sim:trigger", "made.lua" }, param = { "n=3", "hz=10", "n=1000000", "hz=-1", "n=nan",
  "colour=red" }, timing = { "host", "device", "auto" }, fault = { "drop@2", "flip@1,nak@2" },
  guidelines = { "chen1997" }, participant = { "P07", "=x" }, ["device-option"] = { "full_scale_volts=5",
  "value=4", "model=x100" }, lab = { "lab.lua", "broken.lua" }, late = { "skip" }, trigger = { "rts", "sim",
  "dtr:width=5" } }
local words = { "made.lua", "exp.lua", "broken.lua", "made.plan", "itbs600", "hf10_neurostar", "sici",
  "lf1_m1_600", "tmsfmri_inter", "run", "magventure", "rapid", "bistim", "duomag", "pulsepal", "stimjim",
  "trigger", "magstim200", "status", "fire", "fe03", "fe 03 00 ff", "45", "driver", "protocol", "volts=5",
  "intensity=40", "no_such" }
local protocols = { "made.lua", "made.lua", "exp.lua", "broken.lua", "made.plan", "itbs600", "hf10_neurostar",
  "sici", "tmsfmri_inter", "ctbs600", "paired_pulse_block", "saint", "io_curve", "rmt_rossini", "qps5",
  "triple_online", "pas25" }
local boxes = { "magventure", "rapid", "bistim", "duomag", "pulsepal", "stimjim", "trigger", "magstim200",
  "made.lua" }
local hex = { "fe03", "fe 03 00 ff", "45", "", "zz", "fe0302ff00", "00", "ffffffffffffffffffff" }
-- what stands without a dash, where a line is nearly right
local right = { run = { protocols }, check = { protocols }, show = { protocols }, events = { protocols },
  plot = { protocols }, compile = { protocols }, recover = { { "run", "." } }, sim = { boxes }, devices = {},
  ports = {}, doctor = {}, protocols = {}, new = { { "driver", "protocol" }, words }, test = { { "exp.lua",
  "run" } }, frame = { boxes }, decode = { boxes, hex } }
local names = { "run", "check", "recover", "verify", "sign", "show", "events", "plot", "compile", "sim",
  "devices", "frame",
  "decode", "ports", "doctor", "protocols", "new", "test", "bench", "help", "--version", "nonsense" }
-- those that look at a protocol more often than those that look at the host
local often = { "run", "run", "check", "check", "events", "show", "plot", "compile", "frame", "decode",
  "devices" }

local flags = { unconfirmed = true, json = true, ["real-pty"] = true, ["share-with-group"] = true,
  sent = true, ["until-eof"] = true, looks = true, quick = true, long = true, ci = true }

--- The options of a command, from what it says itself.
local options_of = setmetatable({}, { __index = function(self, name)
  local list = {}
  local ok, parser = pcall(function() return require("moonpulse.commands." .. name).parser() end)
  for option in (ok and parser:get_help() or ""):gmatch("%-%-([%a%-]+)") do
    list[#list + 1] = option ~= "help" and option ~= "trigger-in" and option or nil
  end
  self[name] = list
  return list
end })

--- Command line number n.
local function line_of(n)
  math.randomseed(n)
  local name = random(3) > 1 and pick(often) or pick(names)
  local line, options = { name }, options_of[name]
  if right[name] and random(5) > 1 then
    for _, list in ipairs(right[name]) do
      line[#line + 1] = random(20) > 1 and pick(list) or pick(odd)
    end
    if right[name][1] == protocols then
      table.move({ "--rmt", "45", "--amt", "40" }, 1, 4, #line + 1, line)
    end
  else
    for _ = 1, random(0, 3) do
      line[#line + 1] = random(5) > 1 and pick(words) or pick(odd)
    end
  end
  for _ = 1, random(0, 4) do
    local option = #options > 0 and pick(options) or "x"
    local value = common[option] and random(3) > 1 and pick(common[option]) or pick(odd)
    line[#line + 1] = "--" .. option
    if not flags[option] and random(12) > 1 or random(12) == 1 then
      line[#line + 1] = value
    end
  end
  local fixed = { run = { "--speed", "max" }, sim = { "--until-eof" }, bench = { "--from", "no_such" } }
  for _, each in ipairs(fixed[name] or {}) do
    line[#line + 1] = each
  end
  return line
end

--- Nothing that waits for real time: it would take as long as it says.
local function takes_its_time(line)
  local text = "\0" .. table.concat(line, "\0") .. "\0"
  return text:find("^%z[rd][uo][nc][^%z]*%z.*%z%-%-latency%z") or text:find("%z%-%-require%z")
    or text:find("^%zdoctor%z.*%z%-%-l") or text:find("^%ztest%z.*%z%.%.?%z")
    or text:find("^%zrun%z.*exp.lua")
end

--- What the command says and how it ends, and how long it computed.
local function run(line)
  local began = progress.own_s()
  local status, said, out = called.call(line)
  return status, progress.own_s() - began, said, out
end

local statuses = { [0] = true, [2] = true, [3] = true, [4] = true, [5] = true, [6] = true }

local function fault_of(line)
  local status, seconds, said, out = run(line)
  -- of a file that the user named, the line and what Lua says of it are what is to be said
  said = said:gsub("%f[%w/]%a+%.lua:%d+: [^\n]*", ""):gsub("protocols/[%w_]+%.lua:%d+: ", "")
  local fault = trial.fault_of(said, seconds)
  if not fault and not statuses[status] then
    fault = "exit status " .. tostring(status)
  elseif not fault and status ~= 0 and said == "" and out == "" then
    fault = ("status %d without a word"):format(status)
  end
  return fault
end

local function quoted(line)
  local list = {}
  for i, each in ipairs(line) do
    list[i] = ("%q"):format(each):gsub("\n", "n")
  end
  return table.concat(list, " ")
end

--- The folder that they work in, with something of each kind.
local function make_work(path)
  os.execute(("rm -rf %s; mkdir -p %s/run"):format(shell.quote(path), shell.quote(path)))
  shell.write(path .. "/made.lua", [[local mp = require "moonpulse"
    return mp.protocol { id = "made", name = "Made", params = { n = { default = 3 }, hz = { default = 10 } },
      plan = function(p) return mp.train { pulses = p.n, hz = p.hz, intensity = mp.rmt(80) } end }]])
  shell.write(path .. "/exp.lua", [[local mp = require "moonpulse"
    return mp.experiment { run = function(run) run:mark "one" end }]])
  shell.write(path .. "/broken.lua", "local x = = 1\27[31m")
  shell.write(path .. "/lab.lua", "return { name = \"lab\" }")
  assert(lfs.chdir(path))
  run { "compile", "made.lua", "-o", "made.plan" }
end

local function batch(last)
  local now = assert(io.open(folder .. "/now", "w"))
  make_work(("%s/work-%d"):format(folder, first))
  for n = first, last do
    local line = line_of(n)
    now:seek("set", 0)
    now:write(("%-12d"):format(n))
    now:flush()
    local fault = not takes_its_time(line) and fault_of(line)
    if fault then
      print(("FOUND %d: moonpulse %s: %s"):format(n, quoted(line), fault))
    end
  end
  assert(lfs.chdir(here))
  os.execute(("rm -rf %s/work-%d"):format(shell.quote(folder), first))
end

if folder:sub(1, 1) ~= "/" then
  folder = here .. "/" .. folder
end
os.execute("mkdir -p " .. shell.quote(folder))
if how == "batch" then
  batch(tonumber(arg[4]))
  return 0
elseif how == "one" then
  make_work(folder .. "/one")
  local line = line_of(first)
  print("moonpulse " .. quoted(line))
  local status, seconds, said, out = run(line)
  print(status, seconds, said, out)
  return 0
end
return require("batches").all(folder, "tests/fuzz/commands.lua", "command lines", first, tonumber(how))
