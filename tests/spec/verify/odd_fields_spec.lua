-- A foreign folder's manifest and journal may say anything in any field: a number, a text, a table, nothing.
-- Whoever reads it names what is wrong, or leaves it; none shows an error of Lua's.
local children = require "moonpulse.verify.child"
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local fixture = require "job"
local lfs = require "lfs"
local reports = require "moonpulse.report"
local shell = require "shell"
local term = require "term"

local protocol = [[local mp = require "moonpulse"
return mp.protocol { id = "three", name = "Three", params = { pulses = { default = 3, min = 1, max = 9 } },
  plan = function(p) return (mp.pulse(mp.rmt(90)):label "single" .. mp.rest(1)):times(p.pulses) end }]]
local experiment = [[local mp = require "moonpulse"
return mp.experiment { name = "Theirs", run = function(run)
  local stim = run:device()
  stim:arm()
  for i = 1, 2 do
    stim:fire(mp.pulse(mp.mso(40 + i)))
    run:mark("fired " .. i)
  end
  run:ask "MEP?"
  stim:disarm()
end }]]

local values = { 42, -1.5, "text", true, cjson.null, "{}", "[1]", 0 / 0 }

--- Writes what is no number, too, as a damaged file may have it: "NaN".
local written = cjson.new()
written.encode_invalid_numbers(true)

local function value_of(value)
  return (value == "{}" and {}) or value == "[1]" and { 1, { 2 }, "x" } or value
end

--- The paths of all fields of some data, of a list those of its first element.
local function paths_of(data, path, found)
  local keys = {}
  for key in pairs(data) do
    keys[#keys + 1] = (type(key) == "string" or key == 1) and key or nil
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local value = data[key]
    local own = table.move(path, 1, #path, 1, {})
    own[#own + 1] = key
    found[#found + 1] = own
    if type(value) == "table" then
      paths_of(value, own, found)
    end
  end
  return found
end

local function put(data, path, value)
  for i = 1, #path - 1 do
    data = data[path[i]]
  end
  data[path[#path]] = value
end

--- Call a command as the command line would; all that it said.
local function said_by(list)
  local real = package.loaded._G
  local said, say, write, out = {}, real.print, io.stderr, io.stdout
  local sink = { write = function(self, ...)
    for _, each in ipairs { ... } do
      said[#said + 1] = tostring(each)
    end
    return self
  end, flush = function() end }
  real.print = function(...) sink:write(...) end -- luacheck: ignore
  io.stderr, io.stdout = sink, sink -- luacheck: ignore
  local ok, problem = pcall(function()
    local command = require("moonpulse.commands." .. list[1])
    command.run(command.parser():parse(table.move(list, 2, #list, 1, {})))
  end)
  real.print, io.stderr, io.stdout = say, write, out -- luacheck: ignore
  if not ok then
    said[#said + 1] = (type(problem) == "table" and "" or "raw: ") .. cli.explain(problem)
  end
  return table.concat(said, "\n")
end

describe("an odd field of a foreign folder", function()
  local folder, runs, make, isatty
  setup(function()
    folder, runs, make, isatty = shell.folder(), {}, children.make, term.isatty
    term.isatty = function() return false end -- of what is no file here
    children.make = function() return false, "not made again here" end
    shell.write(folder .. "/answers", "y\n")
    for name, more in pairs { protocol = "--rmt 50", experiment = "--answers answers" } do
      shell.write(("%s/%s.lua"):format(folder, name), name == "protocol" and protocol or experiment)
      local status, _, err = shell.sh(folder, ("cd %s && %s run %s.lua --speed max --participant P1 "
        .. "--operator AB --out %s %s"):format(folder, shell.absolute, name, name, more))
      assert.are.equal(0, status, err)
      runs[name] = fixture.run_in(("%s/%s"):format(folder, name))
    end
  end)
  teardown(function()
    children.make, term.isatty = make, isatty
    shell.remove(folder)
  end)

  local function commands(run, out)
    return { { "diff", run, run }, { "verify", run }, { "methods", run },
      { "runs", "--out", run:match "^(.*)/[^/]*$", "--participant", "P1" },
      { "rerun", run, "--out", out .. "/again" },
      { "export", "bids", run, "--bids", out .. "/bids", "--sub", "01" },
      { "export", "prov", run, "-o", out .. "/prov.json" },
      { "export", "crate", run, "-o", out .. "/crate" } }
  end

  local all = os.getenv "MP_ODD_ALL" ~= nil -- every value for every command: minutes

  --- What a command said of a folder that no user should see; nil: nothing.
  local function fault_of(command, run)
    local said
    if command == "report" then
      local ok, problem = pcall(reports.write, run)
      said = not ok and "raw: " .. tostring(problem) or ""
    else
      said = said_by(command)
    end
    for _, sign in ipairs { "attempt to", "raw: ", "bad argument", "%.lua:%d+: ", "table: 0x",
      "userdata: " } do
      if said:find(sign) then
        return ("%s: %s"):format(command == "report" and command or table.concat(command, " ", 1, 2),
          said:match "[^\n]*%.lua:%d+:[^\n]*" or said:sub(1, 300))
      end
    end
  end

  --- Diff and every third of the other commands, each time others; or all.
  local function faults_of(run, count)
    local out, found = folder .. "/out", {}
    shell.remove(out)
    assert(lfs.mkdir(out))
    local list = commands(run, out)
    list[#list + 1] = "report"
    for i, command in ipairs(list) do
      if all or i == 1 or (i + count) % 3 == 0 then
        found[#found + 1] = fault_of(command, run)
      end
    end
    return found
  end

  --- Every field of a file of a run, one after the other.
  local function each_field(kind, file)
    local run = runs[kind]
    local text = shell.read(run .. "/" .. file)
    local lines, faults, count = {}, {}, 0
    for line in (file == "manifest.json" and text:gsub("\n", " ") or text):gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    local function try(number, path, value)
      local data, made = cjson.decode(lines[number]), table.move(lines, 1, #lines, 1, {})
      put(data, path, value_of(value))
      made[number] = written.encode(data)
      shell.write(run .. "/" .. file, table.concat(made, "\n") .. "\n")
      for _, fault in ipairs(faults_of(run, count)) do
        faults[#faults + 1] = ("%s:%d %s = %s: %s"):format(file, number, table.concat(path, "."),
          tostring(value), fault)
      end
    end
    for number, line in ipairs(lines) do
      for _, path in ipairs(paths_of(cjson.decode(line), {}, {})) do
        count = count + 1
        for nth, value in ipairs(values) do
          if all or (nth + count) % #values == 0 then
            try(number, path, value)
          end
        end
      end
    end
    shell.write(run .. "/" .. file, text)
    return faults, count
  end

  for _, kind in ipairs { "protocol", "experiment" } do
    for _, file in ipairs { "manifest.json", "journal.jsonl" } do
      it(("of the %s of a run of a %s is named, or left"):format(file, kind), function()
        local faults, count = each_field(kind, file)
        assert.is_true(count > 30)
        assert.are.equal("", table.concat(faults, "\n"))
      end)
    end
  end
end)
