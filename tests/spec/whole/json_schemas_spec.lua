--- What --json prints is as docs/schemas says: every command that has it, several kinds of output each.
--- Judged by
--- python3-jsonschema, which knows nothing of Moonpulse.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

-- judges lines "schema<tab>file<tab>object|lines" and prints what is wrong, a line each
local judge = [[
import json, sys
from jsonschema import Draft202012Validator
judges, wrong = {}, 0
for line in sys.stdin:
    schema, path, kind = line.rstrip("\n").split("\t")
    if schema not in judges:
        with open(schema) as file:
            text = json.load(file)
        Draft202012Validator.check_schema(text)
        judges[schema] = Draft202012Validator(text)
    with open(path) as file:
        texts = [file.read()] if kind == "object" else [each for each in file if each.strip()]
    if not texts:
        print("%s: nothing in it" % path)
    for text in texts:
        error = next(iter(judges[schema].iter_errors(json.loads(text))), None)
        if error:
            inner = min(error.context, key=lambda each: -len(each.absolute_path)) if error.context else error
            print("%s: %s at %s" % (path, inner.message[:300], "/".join(map(str, inner.absolute_path))))
]]

local function schema_of(name)
  return ("docs/schemas/%s.schema.json"):format(name)
end

--- What the judge says of files: "" is that all of them are right.
local function judged(list)
  shell.write(folder .. "/judge.py", judge)
  local lines = {}
  for i, each in ipairs(list) do
    lines[i] = ("%s\t%s\t%s"):format(schema_of(each.schema), each.path, each.kind or "object")
  end
  shell.write(folder .. "/list", table.concat(lines, "\n") .. "\n")
  local status, out, err = shell.sh(folder, ("python3 %s/judge.py < %s/list"):format(folder, folder))
  assert(status == 0, err)
  return out
end

local made = 0

--- The output of a command as a file for the judge.
local function output(schema, arguments, kind, wanted)
  made = made + 1
  local path = ("%s/%s.%d"):format(folder, schema, made)
  local status, out, err = shell.moonpulse(folder, (arguments:gsub("@/", folder .. "/")))
  assert((wanted or { [0] = true })[status], ("%s: status %s: %s"):format(arguments, status, err))
  shell.write(path, out)
  return { schema = schema, path = path, kind = kind }
end

local function run(arguments, name)
  arguments = arguments:gsub("@/", folder .. "/")
  shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments, folder, name))
  return io.popen(("ls -d %s/%s/*"):format(folder, name)):read("l")
end

local judged_or_refused = { [0] = true, [3] = true }

describe("docs/schemas", function()
  setup(function()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
    shell.write(folder .. "/lab.lua", "return { name = 'Lab', pulses_per_day = 500 }\n")
    shell.write(folder .. "/empty.lua", "return require('moonpulse').experiment(function() end)\n")
  end)

  it("has one for every command that has --json", function()
    for line in io.popen(shell.program .. " --help"):lines() do
      local name = line:match("^   (%l[%w-]+)  +%l")
      local help = name and name ~= "lua" and io.popen(shell.program .. " " .. name .. " --help"):read("a")
      if help and help:find("--json", 1, true) then
        assert(shell.read(schema_of(name)), name .. " --json has no schema in docs/schemas")
      end
    end
  end)

  it("is right of moonpulse check", function()
    local list = {}
    for i, arguments in ipairs { "itbs600 --amt 50", "hf10_neurostar --rmt 80", "itbs600 --amt 95",
      "io_curve -p repeats=2 --rmt 50", "io_curve -p repeats=2 --rmt 50 --seed 3", "lf1_m1_600",
      "itbs600 --amt 50 --lab @/lab.lua", "itbs600 --amt 50 --coil circular --threshold foot",
      "pas25 --rmt 50 -p nerve=30%MSO --device sim:stimjim --device-option full_scale_mv=10000 "
        .. "--device-option channels=nerve=0,tms=1", "itbs600 --amt 50 --participant P07 --out @/none",
      "scripts/threshold.lua --answers @/answers.txt", "@/empty.lua" } do
      list[i] = output("check", "check --json " .. arguments, "object", judged_or_refused)
    end
    run("itbs600 --amt 50 --participant P07", "earlier")
    list[#list + 1] = output("check", "check --json itbs600 --amt 50 --participant P07 --out @/earlier",
      "object")
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse doctor", function()
    local bad = { [0] = true, [4] = true }
    assert.are.equal("", judged { output("doctor", "doctor --json", "lines", bad),
      output("doctor", "doctor --json --latency 0.2", "lines", bad) })
  end)

  it("is right of moonpulse protocols", function()
    shell.write(folder .. "/bare.lua", "local mp = require 'moonpulse'\nreturn mp.pulse(mp.mso(40))\n")
    assert.are.equal("", judged { output("protocols", "protocols --json", "lines"),
      output("protocols", "protocols --json itbs600", "lines"),
      output("protocols", "protocols --json @/bare.lua", "lines") })
  end)

  it("is right of moonpulse methods, and of its checklists", function()
    local runs = { run("itbs600 --amt 50 -p trains=2", "a"),
      run("itbs600 --amt 50 -p trains=2 --fault nak@7", "b"),
      run("tmseeg_sp --rmt 50 -p pulses=4 --seed 9223372036854775807", "c"),
      run("scripts/threshold.lua --answers @/answers.txt", "d") }
    local list = {}
    for _, what in ipairs { "itbs600", "itbs600 --amt 50 --device magventure", "sici --rmt 50", "io_curve",
      "pas25",
      "qtbs", "sham", "prime_ctbs_itbs", "scripts/threshold.lua --answers @/answers.txt", "@/empty.lua",
      table.unpack(runs) } do
      list[#list + 1] = output("methods", "methods --json " .. what, "object")
      for _, name in ipairs { "chipchase", "rtms", "tms-rat" } do
        list[#list + 1] = output("methods-checklist", ("methods --json %s --checklist %s"):format(what, name))
      end
    end
    assert.are.equal("", judged(list))
    -- exact, though no float has it
    assert.matches('"seed":9223372036854775807', shell.read(list[4 * 12 + 1].path), 1, true)
  end)

  it("is not right of an object with another key, or without one that it needs", function()
    local bad = { [0] = true, [4] = true }
    local files = { check = output("check", "check --json itbs600 --amt 50"),
      methods = output("methods", "methods --json itbs600"),
      ["methods-checklist"] = output("methods-checklist", "methods --json itbs600 --checklist rtms"),
      protocols = output("protocols", "protocols --json itbs600"),
      doctor = output("doctor", "doctor --json", "lines", bad) }
    local list, count = {}, 0
    local function changed(schema, object)
      count = count + 1
      list[count] = { schema = schema, path = ("%s/changed.%d"):format(folder, count) }
      shell.write(list[count].path, cjson.encode(object))
    end
    for schema, file in pairs(files) do
      local text = shell.read(file.path):match("[^\n]+")
      local object = cjson.decode(text)
      object.zzz = 1
      changed(schema, object)
      local described = cjson.decode(shell.read(schema_of(schema)))
      for _, key in ipairs((described.oneOf and described.oneOf[1] or described).required) do
        object = cjson.decode(text)
        assert(object[key] ~= nil, key)
        object[key] = nil
        changed(schema, object)
      end
    end
    local _, wrong = judged(list):gsub("\n", "")
    assert.are.equal(count, wrong)
    assert.is_true(count > 30)
  end)
end)
