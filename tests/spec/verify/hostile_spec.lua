-- The folder of a run may be somebody else's, made to harm who looks at it: sealed, chained, and with
-- programs in sources/. Whatever reads it runs nothing of it but the kept text, shut in. Each would leave the
-- file X.
local cjson = require "cjson"
local fixture = require "job"
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
      "sign %s --key none", "export bids %s --bids X_bids --sub 01", "export prov %s", "export crate %s",
      "recover %s", "rerun %s --look --out " .. folder } do
      local line = command:gsub("%%s", run):gsub("X_bids", folder .. "/bids")
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
end)
