-- The folder of a run may be somebody else's, made to harm who looks at it: sealed, chained, and with
-- programs in sources/. Whatever reads it runs nothing of it but the kept text, shut in. Each would leave the
-- file X.
local cjson = require "cjson"
local fixture = require "job"
local json = require "moonpulse.text.sorted_json"
local lfs = require "lfs"
local resealed = require "resealed"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"

local experiment = [[
local mp = require "moonpulse"
return mp.experiment { name = "Theirs", run = function(run)
  local stim = run:device()
  stim:arm(mp.pulse(mp.mso(40)))
  stim:play(mp.pulse(mp.mso(40)))
  stim:disarm()
end }
]]

local protocol = [[
local mp = require "moonpulse"
return mp.protocol { id = "theirs", name = "Theirs", plan = function() return mp.pulse(mp.mso(40)) end }
]]

local unchecked = "the experiment's plans against its text, seed, parameters and answers: "

describe("a folder that was made to harm", function()
  local folder, witness
  fixture.each_test(function(given)
    folder, witness = given, given .. "/X"
  end)

  local function ran(command)
    return ('local pipe = io.popen("touch %s") pipe:close()\n'):format(witness) .. (command or "")
  end

  --- A run of text on the simulated Magstim, sealed again with files in it.
  ---@param text string
  ---@param files table[] of manifest.json, with their text
  ---@param device string? what its journal and manifest call the device
  local function made(text, files, device)
    shell.write(folder .. "/theirs.lua", text)
    local status, _, err = shell.moonpulse(folder, ("run %s/theirs.lua --speed max --device sim:magstim200 "
      .. "--out %s/first"):format(folder, folder))
    assert.are.equal(0, status, err)
    os.remove(folder .. "/theirs.lua")
    local run = fixture.run_in(folder .. "/first")
    for _, each in ipairs(files) do
      shell.write(("%s/%s"):format(run, each.file), each.text)
      each.sha256, each.text = sha256.of(each.text), nil
    end
    resealed.edit(run, function(entries)
      entries[1].device.name = device or entries[1].device.name
    end, { ["manifest.json"] = function(manifest)
      local data = cjson.decode(manifest)
      for _, each in ipairs(files) do
        table.insert(data.files, 1, each)
      end
      data.device.name = device and files.agree and device or data.device.name
      return cjson.encode(data)
    end })
    return run
  end

  --- Every command that reads a run; the text that verify --json gave.
  local function read_by_all(run)
    local _, said, err = shell.moonpulse(folder, "verify --json " .. run)
    assert.is_nil(lfs.attributes(witness), "verify: " .. said .. err)
    for _, command in ipairs { "verify %s", "methods %s", "diff %s %s", "runs --out %s/..",
      "sign %s --key none", "export bids %s --bids OUT --sub 01", "export prov %s -o OUT.json",
      "export crate %s -o OUT.crate",
      "recover %s", "rerun %s --look --out " .. folder } do
      local line = command:gsub("%%s", run):gsub("OUT", folder .. "/out")
      local _, out, wrong = shell.moonpulse(folder, line)
      assert.is_nil(lfs.attributes(witness), command .. ": " .. out .. wrong)
    end
    return cjson.decode(said)
  end

  local function driver_text()
    return ran("return require 'moonpulse.devices.magstim200'")
  end

  local drivers = {
    { "of another role, by its path in sources/", function()
      return { { file = "sources/evil", role = "lab notes", text = driver_text() } }, "./evil"
    end },
    { "of the role driver, and the names agree", function()
      return { { file = "sources/evil", role = "driver", text = driver_text() } }
    end },
    { "of the role driver, with the ending of Lua", function()
      return { { file = "sources/evil.lua", role = "driver", text = driver_text() } }
    end },
    { "at an absolute path", function()
      shell.write(folder .. "/evil", driver_text())
      return { agree = true }, folder .. "/evil"
    end },
    { "at an absolute path that only the journal names", function()
      shell.write(folder .. "/evil", driver_text())
      return {}, folder .. "/evil"
    end },
    { "whose name leads out of the folder of drivers", function()
      shell.write(folder .. "/evil.lua", driver_text())
      return { agree = true }, "sim:" .. folder .. "/evil.lua"
    end },
  }

  for _, each in ipairs(drivers) do
    for kind, text in pairs { experiment = experiment, protocol = protocol } do
      it(("has no driver that is loaded: %s, %s"):format(each[1], kind), function()
        local files, device = each[2]()
        local found = read_by_all(made(text, files, device))
        if kind == "experiment" then
          local said = table.concat(found.unchecked, "\n")
          assert.matches(unchecked .. "its driver ", said, 1, true)
        end
      end)
    end
  end

  local several = {
    ["none"] = function() return json.list {} end,
    ["one whose place is a path"] = function()
      return { { place = "/x", name = "rapid" }, { place = "/y", name = "rapid" } }
    end,
    ["two of one name"] = function()
      return { { place = "a", name = "rapid" }, { place = "a", name = "rapid" } }
    end,
    ["one alone"] = function() return { { place = "a", name = "rapid" } } end,
    ["no list"] = function() return "a" end,
    ["a driver elsewhere"] = function()
      return { { place = "a", name = "rapid" }, { place = "b", name = folder .. "/evil" } }
    end,
  }

  for kind, text in pairs { experiment = experiment, protocol = protocol } do
    it("has no driver that is loaded in place of several devices: " .. kind, function()
      shell.write(folder .. "/evil.lua", driver_text())
      local whole = made(text, {}, folder .. "/evil.lua")
      for what, devices in pairs(several) do
        local run = folder .. "/run"
        shell.remove(run)
        shell.copy(whole, run)
        resealed.edit(run, function(entries) entries[1].devices = devices() end)
        local _, said, err = shell.moonpulse(folder, "verify --json " .. run)
        assert.is_nil(lfs.attributes(witness), what .. ": " .. said .. err)
        local why = table.concat(cjson.decode(said).unchecked, "\n")
        local expected = what == "a driver elsewhere" and "is no shipped one, and no driver that a record "
          .. "names is loaded" or "the journal does not say how it was driven: "
        assert.matches(expected, why, 1, true)
        if kind == "experiment" then -- nor by what verify starts
          local status, out, wrong = shell.moonpulse(folder, ("rerun %s --look --out %s/look"):format(
            run, folder))
          assert.are_not.equal(0, status, what)
          assert.matches("its driver is no shipped one", wrong, 1, true)
          assert.is_nil(lfs.attributes(witness), what .. ": " .. out .. wrong)
        end
      end
    end)
  end

  -- each would leave the file X, tell of the machine, or go on for ever; "%s" is the test's folder
  local scripts = {
    ["os.execute"] = 'os.execute("touch %s/X")',
    ["os.execute of _G"] = '_G["os"].execute("touch %s/X")',
    ["io.popen"] = 'io.popen("touch %s/X"):close()',
    ["io.open, to write"] = 'io.open("%s/X", "w"):close()',
    ["io.open of a kept file, to write"] = 'io.open("kept.txt", "a"):write("touch %s/X")',
    ["io.open of a path out of the folder"] = 'run:note(io.open("../../../../../etc/passwd"):read("l"))',
    ["io.open of a file that the folder says is kept at an absolute path"] =
      'run:note(io.open("/etc/hostname"):read("l"))',
    ["load of text"] = 'load("os.execute([[touch %s/X]])")()',
    ["load of a binary chunk"] = 'load(string.dump(function() end))()',
    ["the dump of a text's methods"] = '(""):dump(function() end)',
    ["dofile"] = 'dofile("%s/Y.lua")',
    ["dofile of a kept path"] = 'dofile("lib/theirs.lua")',
    ["loadfile"] = 'loadfile("%s/Y.lua")()',
    ["a kept module"] = 'require "theirs_module"',
    ["a module of the computer"] = 'require("lfs").mkdir("%s/X")',
    ["the library's inside"] = 'require("moonpulse.core").make_folder("%s/X")',
    ["package.loaded"] = 'package.loaded.os.execute("touch %s/X")',
    ["package.loadlib"] = 'package.loadlib("libc.so.6", "*")',
    ["package.searchers"] = 'package.searchers[2]("lfs")',
    ["package.path"] = 'package.path = "%s/?.lua" require "Y"',
    ["debug"] = "debug.getregistry()",
    ["the metatable of texts"] = 'getmetatable("").__index.rep = nil',
    ["the metatable of run"] = 'getmetatable(run).__index = nil',
    ["the library's table"] = 'mp.sham = nil',
    ["what is behind run"] = 'run.stage.record.folder = "%s/X"',
    ["a coroutine"] = "coroutine.wrap(function() end)()",
    ["collectgarbage"] = 'collectgarbage "stop"',
    ["__gc"] = "setmetatable({}, { __gc = function() end })",
    ["an error whose __tostring reaches out"] =
      'error(setmetatable({}, { __tostring = function() os.execute("touch %s/X") return "x" end }))',
    ["a __close that reaches out"] =
      'local c <close> = setmetatable({}, { __close = function() os.execute("touch %s/X") end })',
    ["a sham of a file elsewhere"] = 'error((mp.sham { of = "%s/Y.lua", with = "", intensity = mp.mso(1) }))',
    ["more memory than there is"] = 'local t = {} for i = 1, 99 do t[i] = ("x"):rep(1 << 20):rep(1 << 8) end',
    ["an error without end"] = 'error(("moonpulse: " .. ("x"):rep(9999)):rep(999))',
    ["more than anybody reads"] = 'for i = 1, 20000 do print(("x"):rep(999)) end error "y"',
    ["a time without end"] = "while true do run:sleep(1000000) end",
  }

  --- The experiment's record, with another text in place of its own.
  local function exchanged(run, text)
    local files = { ["sources/theirs.lua"] = { text = text, role = "experiment" },
      ["sources/theirs_module.lua"] = { role = "module", as = "theirs_module", text = ran() },
      ["sources/lib.lua"] = { role = "module", as = "lib/theirs.lua", text = ran() },
      ["sources/kept.txt"] = { role = "data", as = "kept.txt", text = "kept" },
      ["sources/passwd"] = { role = "data", as = "../../../../../etc/passwd", text = "kept" },
      ["sources/hostname"] = { role = "data", as = "/etc/hostname", text = "kept" } }
    local list = {}
    for file, each in pairs(files) do
      shell.write(run .. "/" .. file, each.text)
      list[#list + 1] = { file = file, role = each.role, as = each.as, sha256 = sha256.of(each.text) }
    end
    resealed.edit(run, nil, { ["manifest.json"] = function(manifest)
      local data = cjson.decode(manifest)
      data.files = list
      return cjson.encode(data)
    end })
  end

  it("has no script that gets out of its sandbox", function()
    local whole = made(experiment, {})
    shell.write(folder .. "/Y.lua", ran())
    for name, body in pairs(scripts) do
      local run = folder .. "/run"
      os.execute(("rm -rf %s; cp -r %s %s"):format(run, whole, run))
      exchanged(run, (experiment:gsub("  stim:disarm%(%)\n", function(line)
        return line .. body:gsub("%%s", folder) .. "\n"
      end)))
      local status, said, err = shell.moonpulse(folder, "verify --json " .. run)
      assert.is_true(status == 1 or status == 6, name .. ": " .. said .. err)
      assert.is_nil(lfs.attributes(witness), name .. ": " .. said .. err)
      local found = cjson.decode(said)
      local why = table.concat(found.unchecked, "\n")
      assert.is_false(found.whole, name .. ": " .. said)
      assert.is_nil((said .. err):find("root:", 1, true), name)
      assert.is_true(#why < 2000, name)
      assert.are.equal(name == "a time without end", said:find("goes on for more than 24 h", 1, true) ~= nil)
    end
  end)

  it("has no protocol that reads another file: a sham, a table, a course, an experiment", function()
    shell.write(folder .. "/Y.lua", protocol)
    shell.write(folder .. "/theirs.tsv", "onset\tintensity\n1\t40%MSO\n")
    shell.write(folder .. "/theirs", protocol)
    for name, text in pairs {
      sham = protocol:gsub("return mp.pulse%b()", function()
        return ("return mp.sham { of = %q, with = '', intensity = mp.mso(40) }"):format(folder .. "/Y.lua")
      end),
      ["a sham by a bare name"] = protocol:gsub("return mp.pulse%b()", function()
        return "return mp.sham { of = 'theirs', with = '', intensity = mp.mso(40) }"
      end),
      ["a table"] = protocol:gsub("return mp.pulse%b()", function()
        return "return mp.from_table 'theirs.tsv'"
      end),
      experiment = experiment,
      course = ('local mp = require "moonpulse"\nreturn mp.course { name = "C", protocol = %q, phases = '
        .. '{ { name = "a", per_day = 1, days = 4 } } }'):format(folder .. "/Y.lua"),
    } do
      os.execute(("rm -rf %s/first"):format(folder))
      local run = made(protocol, {})
      shell.write(run .. "/sources/theirs.lua", text)
      resealed.edit(run, nil, { ["manifest.json"] = function(manifest)
        local data = cjson.decode(manifest)
        data.files[1].sha256 = sha256.of(text)
        return cjson.encode(data)
      end }, true)
      local status, said, err = shell.sh(folder, ("cd %s && %s verify --json %s"):format(folder,
        shell.quote(shell.absolute),
        run))
      assert.are.equal(6, status, name .. ": " .. said .. err)
      assert.matches("resolved.plan against the protocol's text: ",
        table.concat(cjson.decode(said).unchecked, "\n"), 1, true)
    end
  end)

  it("finds a process that can load and start nothing, whatever else went wrong", function()
    shell.write(folder .. "/evil.lua", driver_text())
    shell.write(folder .. "/again.lua", ([[
local core, drivers, looks = require "moonpulse.core", require "moonpulse.driver.find",
  require "moonpulse.run.look_bounds"
local popen, execute, bytes_read = io.popen, os.execute, require "moonpulse.text.bytes_read"
package.path = package.path .. ";%s/?.lua"
looks.shut()
local function tell(name, ...)
  local ok, value = pcall(...)
  print(name, ok and value and "LET" or "refused")
end
tell("a path", drivers.find, "%s/evil.lua")
tell("a path without its ending", drivers.find, "%s/evil")
tell("a name of MOONPULSE_PATH", drivers.find, "evil")
tell("a simulator's file", drivers.simulator, { name = "x", simulator = "%s/evil.lua" })
tell("load_file", bytes_read.load_file, "%s/evil.lua")
tell("dofile", dofile, "%s/evil.lua")
tell("loadfile", loadfile, "%s/evil.lua")
tell("require", require, "evil")
tell("loadlib", package.loadlib, "libc.so.6", "*")
tell("io.popen", io.popen, "touch %s/X")
tell("os.execute", os.execute, "touch %s/X")
tell("the kernel: system", execute, "touch %s/X")
pcall(popen, "touch %s/X")
print(drivers.find "rapid" and require "moonpulse.devices.duomag" and "shipped ones are there")
]]):gsub("%%s", folder))
    local status, said, err = shell.sh(folder, ("MOONPULSE_PATH=%s %s lua %s/again.lua"):format(folder,
      shell.quote(shell.program), folder))
    assert.are.equal(0, status, err)
    assert.is_nil(lfs.attributes(witness))
    assert.is_nil(said:find("LET", 1, true), said)
    assert.are.equal(12, select(2, said:gsub("refused", "")))
    assert.matches("shipped ones are there", said, 1, true)
  end)
end)
