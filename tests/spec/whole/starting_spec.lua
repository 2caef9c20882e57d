--- What a start costs, in counts: no module of ours is compiled, none is loaded that is not needed, one
--- program is started. And that what was compiled before is never another than what is written.
local core = require "moonpulse.core"
local lfs = require "lfs"
local shell = require "shell"

local carried = package.searchers[2] -- of modules that the program carries; stock Lua has four searchers
local in_program = core.executable():find "/moonpulse$" -- else stock Lua runs this, and compiles

describe("a module that the program carries", function()
  local modules, places = {}, {}

  setup(function()
    local pipe = assert(io.popen("find scripts/moonpulse -name templates -prune -o -name '*.lua' -print"))
    for path in pipe:lines() do
      local name = path:match("^scripts/(.*)%.lua$"):gsub("/init$", ""):gsub("/", ".")
      modules[#modules + 1] = name
      places[name] = path
    end
    pipe:close()
  end)

  it("is what its file compiles to, to the byte: the same code, file and lines", function()
    if not in_program then
      return pending("for the program")
    end
    assert.are.equal(5, #package.searchers)
    for _, name in ipairs(modules) do
      local loader, path = carried(name)
      assert.is_function(loader, name)
      assert.are.equal(lfs.attributes(places[name], "ino"), lfs.attributes(path, "ino"), name)
      assert(string.dump(loader) == string.dump(assert(loadfile(path))), name)
      assert.are.equal("@" .. path, debug.getinfo(loader, "S").source)
    end
    assert.is_true(#modules > 200)
  end)
end)

describe("a program beside sources that changed", function()
  local folder, json

  --- A tree of our own, so that its files may change. Returns what asking a module for .tried gives.
  local function tried(module)
    shell.write(folder .. "/ask.lua", ("print(require(%q).tried)"):format(module))
    local status, out, err = shell.sh(folder, shell.quote(folder .. "/build/moonpulse") .. " lua "
      .. shell.quote(folder .. "/ask.lua"))
    return status == 0 and out:match("^(.-)\n") or err
  end

  before_each(function()
    folder = shell.folder()
    assert(os.execute(("mkdir %s/build && cp %s %s/build/ && cp -r scripts %s/"):format(folder,
      shell.quote(shell.program), folder, folder)))
    json = folder .. "/scripts/moonpulse/text/sorted_json.lua"
  end)

  after_each(function() shell.remove(folder) end)

  it("runs what is written, also where a file has kept its length and its time", function()
    if not in_program then
      return pending("for the program")
    end
    assert.are.equal("nil", tried "moonpulse.text.sorted_json")
    local text, times = shell.read(json), lfs.attributes(json)
    shell.write(json, (text:gsub("local M = {}", "local M={tried=1}", 1)))
    assert.are.equal("1", tried "moonpulse.text.sorted_json")
    text = text:gsub(" JSON with ", "", 1):gsub("local M = {}", "local M = { tried = 2 }", 1)
    shell.write(json, text)
    lfs.touch(json, times.access, times.modification)
    assert.are.equal(#text, lfs.attributes(json, "size"))
    assert.are.equal("2", tried "moonpulse.text.sorted_json")
  end)

  it("finds what is there, and not what it was built with", function()
    if not in_program then
      return pending("for the program")
    end
    os.remove(json)
    assert.matches("module 'moonpulse.text.sorted_json' not found",
      tried "moonpulse.text.sorted_json", 1, true)
    -- a file beside a folder of its name comes first, as anywhere in Lua
    shell.write(folder .. "/scripts/moonpulse/lowering.lua", "return { tried = 'before init.lua' }")
    assert.are.equal("before init.lua", tried "moonpulse.lowering")
  end)

  it("names the line of what is written in an error", function()
    local text = shell.read(json)
    shell.write(json, "\n\n" .. text .. "\n(")
    local _, lines = text:gsub("\n", "")
    assert.matches(("sorted_json.lua:%d:"):format(lines + 4), tried "moonpulse.text.sorted_json", 1, true)
  end)
end)

-- Runs the command line that it is given, and says what was needed for it once the run is armed, or the
-- simulator serves: modules of ours, those that had to be compiled, and the programs that were started.
local counting = [[
local core = require "moonpulse.core"
local programs, compiled, process, search = {}, {}, core.process, package.searchers[3]
function core.process(options)
  programs[#programs + 1] = table.concat(options.args, " ")
  return process(options)
end
package.searchers[3] = function(name)
  compiled[#compiled + 1] = name:match "^moonpulse.*"
  return search(name)
end
local write, told = print
function print(text)
  write(text)
  if not told and (text:find "^timing" or text:find "^simulated") then
    told = true
    local modules = {}
    for name in pairs(package.loaded) do
      modules[#modules + 1] = name:match "^moonpulse.*"
    end
    write(("compiled %d, programs %d: %s"):format(#compiled, #programs, table.concat(programs, "; ")))
    write("modules: " .. table.concat(modules, " "))
  end
end
return require("moonpulse.cli").main(arg)
]]

describe("from the start of a run to armed", function()
  local folder

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/counting.lua", counting)
    shell.write(folder .. "/one.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "one", name = "One", cite = "None",
        plan = function() return mp.pulse { intensity = mp.mso(40) } end }
    ]])
  end)
  teardown(function() shell.remove(folder) end)

  --- What the counting script says of a command line.
  local function counted(command)
    local _, out, err = shell.sh(folder, ("true | %s lua %s/counting.lua %s"):format(
      shell.quote(shell.program), folder, command))
    local compiled, programs, which = out:match("compiled (%d+), programs (%d+): ([^\n]*)")
    local modules = assert(out:match("modules: ([^\n]*)"), out .. err)
    return modules, tonumber(compiled), tonumber(programs), which
  end

  --- Fails where more modules than most are loaded, or one of a room or a name that is not needed.
  local function assert_few(modules, most, needless)
    local count = 0
    for name in modules:gmatch("%S+") do
      count = count + 1
      for _, each in ipairs(needless) do
        assert(name ~= "moonpulse." .. each and name:find("moonpulse." .. each .. ".", 1, true) ~= 1, name)
      end
    end
    assert.is_true(count <= most, count .. " modules: " .. modules)
  end

  it("nothing of ours is compiled, little loaded, and one program started, the simulator", function()
    if not in_program then
      return pending("for the program")
    end
    local modules, compiled, programs, which = counted(("run %s/one.lua --tolerance 1000 --out %s/runs")
      :format(folder, folder))
    assert.are.equal(0, compiled)
    assert.are.equal(1, programs)
    -- what is measured: a module more is one to load later, or a reason to be written here. The plan, a
    -- chained journal, clocks, conditions and sessions all begin before anything is armed; what closes the
    -- record, asks the operator, reads a lab's limits or looks for a port is loaded by those who need it. Two
    -- of a few lines each were written out in many others before: in_order, and a simulator's settings. The
    -- gate's own arithmetic of nanoseconds (safety.instants) is what every plan is judged with
    -- So are lowering.ways, by which the timing is chosen, what a MagPro's mode is (its pairs), and
    -- compose.same_plan: what the ways ask of a part is asked once of equal parts
    assert_few(modules, 142, { "report", "drawing", "conformance", "bench", "explore",
      "simulation.inside", "simulation.serve", "simulation.virtual_time", "run.inside",
      "run.experiment", "record.recover", "record.replay", "run.sealing", "record.seal", "record.signature",
      "safety.edited", "safety.settable", "verify",
      "record.result", "record.sidecar", "safety.lab", "safety.preflight", "doctor" })
    -- which in its turn loads what a simulator is, and neither protocols nor runs
    local sim = assert(which:match("^%S+ (sim .* %-%-until%-eof %-%-looks)$"), which)
    modules, compiled, programs = counted(sim)
    assert.are.equal(0, compiled)
    assert.are.equal(0, programs)
    assert_few(modules, 31, { "protocol", "compose", "experiment", "lowering", "stimulator", "record",
      "safety", "run", "report", "show", "explore" })
  end)
end)
