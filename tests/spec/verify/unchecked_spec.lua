-- The three verdicts: what could not be checked is never called whole, whatever excuses it. What is made
-- again is made in a process that is shut in and has bounds, and nothing of it stays.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local lfs = require "lfs"
local manifest_files = require "moonpulse.record.manifest_file"
local companions = require "moonpulse.text.companions"
local resealed = require "resealed"
local seals = require "moonpulse.record.seal"
local shell = require "shell"
local verify = require "moonpulse.verify"

local protocol = [[local mp = require "moonpulse"
return mp.protocol { id = "three", name = "Three", plan = function()
  return (mp.pulse(mp.mso(40)) .. mp.rest(1)):times(3) end }]]
local experiment = [[local mp = require "moonpulse"
return mp.experiment { name = "Theirs", run = function(run)
  local stim = run:device()
  stim:arm()
  stim:fire(mp.pulse(mp.mso(40)))
  stim:disarm()
end }]]

describe("the verdict", function()
  local folder, runs
  setup(function()
    folder, runs = shell.folder(), {}
    for name, text in pairs { protocol = protocol, experiment = experiment } do
      shell.write(("%s/%s.lua"):format(folder, name), text)
      local status, _, err = shell.moonpulse(folder, ("run %s/%s.lua --speed max --out %s/%s"):format(folder,
        name, folder, name))
      assert.are.equal(0, status, err)
      runs[name] = fixture.run_in(folder .. "/" .. name)
    end
  end)
  teardown(function() shell.remove(folder) end)

  --- A copy of a run, changed and closed again, with the journal fitted to it.
  local function changed(name, change, journal, tables)
    local path = ("%s/changed.%s"):format(folder, name)
    shell.remove(path)
    shell.copy(runs[name], path)
    tables = tables or {}
    tables["manifest.json"] = function(text)
      local manifest = cjson.decode(text)
      change(manifest, path)
      return cjson.encode(manifest)
    end
    resealed.edit(path, journal, tables, true)
    return path
  end

  local function older(manifest) manifest.moonpulse.version = "0.0.9" end
  local function older_journal(entries) entries[1].moonpulse = "0.0.9" end
  local function stronger(text) return (text:gsub("\t40\t40\tMSO", "\t20\t20\tMSO")) end

  local function said_of(path, more)
    local status, out, err = shell.moonpulse(folder, ("verify %s %s"):format(more or "", path))
    return status, out, err
  end

  it("is that not all was checked where another version excuses what differs", function()
    for name in pairs(runs) do
      local path = changed(name, older, older_journal, { ["events.tsv"] = stronger })
      local status, out = said_of(path)
      assert.are.equal(6, status, out)
      assert.matches("^NOT ALL CHECKED ", out)
      assert.matches("unchecked [^\n]*made by version 0%.0%.9[^\n]*; replay here [^\n]*differs: [^\n]*; "
        .. "verify it with version 0%.0%.9", out)
      local found = cjson.decode((select(2, said_of(path, "--json"))))
      assert.are.same({ "not all checked", false, 0 }, { found.verdict, found.whole, #found.differs })
    end
  end)

  it("is not whole where the record says that it is of an age in which less could be checked", function()
    for _, age in ipairs { 1, 2, false } do
      for name in pairs(runs) do
        local status, out = said_of(changed(name, function(manifest)
          manifest.record_version = age or nil
          manifest.participant = "somebody else"
        end))
        assert.are.equal(1, status, ("%s, %s: %s"):format(name, age, out))
        assert.matches("manifest.json: record_version is " .. (age or "missing"), out)
        assert.matches("manifest.json: participant is somebody else", out)
      end
    end
  end)

  it("is not whole where the journal was taken away, or its chain", function()
    local function unchained(text)
      return (text:gsub(',"prev":"[^"]*"', ""):gsub(',"check":"%x+"}', "}"))
    end
    local function checked(text)
      return (unchained(text):gsub("([^\n]*)}\n", function(line)
        return ('%s,"check":"%s"}\n'):format(line, core.checksum(line))
      end))
    end
    for name in pairs(runs) do
      for how, change in pairs { none = false, unchained = unchained, checked = checked } do
        local path = changed(name, function(manifest)
          manifest.journal_head, manifest.journal_lines, manifest.record_version = nil, nil, nil
          manifest.participant = "somebody else"
        end)
        local journal = path .. "/journal.jsonl"
        local text = change and change(shell.read(journal))
        os.remove(journal)
        if text then
          shell.write(journal, text)
        end
        assert(seals.write(path))
        local status, out = said_of(path)
        assert(status == 1 or status == 6, ("%s, %s: %s"):format(name, how, out))
      end
    end
  end)

  it("is not whole where the record says that nothing was run, and there are pulses", function()
    for name in pairs(runs) do
      local path = changed(name, function(manifest)
        manifest.status, manifest.what = "not run", manifest_files.what "not run"
      end, nil, { ["events.tsv"] = stronger })
      local status, out = said_of(path)
      assert.are.equal(1, status, ("%s: %s"):format(name, out))
    end
  end)

  it("of several runs is that of the worst", function()
    local unsure = changed("protocol", older, older_journal, { ["events.tsv"] = stronger })
    local wrong = folder .. "/wrong"
    shell.remove(wrong)
    shell.copy(runs.protocol, wrong)
    shell.write(wrong .. "/events.json", "{}")
    assert.are.equal(0, (said_of(runs.protocol .. " " .. runs.experiment)))
    assert.are.equal(6, (said_of(runs.protocol .. " " .. unsure)))
    assert.are.equal(1, (said_of(unsure .. " " .. wrong .. " " .. runs.protocol)))
  end)

  it("is not whole for any driver, plan or way of being driven that is not known", function()
    local path = changed("protocol", function(manifest) manifest.device.name = "theirs" end,
      function(entries) entries[1].device.name = "theirs" end)
    local status, out = said_of(path)
    assert.are.equal(6, status)
    assert.matches("unchecked [^\n]*its driver theirs is no shipped one, [^\n]*; ", out)
    path = changed("protocol", function(_, of) os.remove(of .. "/resolved.plan") end)
    local found = verify.folder(path, {})
    assert.are.equal("not all checked", found.verdict)
    assert.matches("the plan: the folder has no resolved.plan; compare ", found.unchecked[1], 1, true)
  end)

  --- This program, with something done before: what the process that is shut in is started as.
  local function with_program(first, call)
    local starter, real = folder .. "/started", companions.program
    shell.write(folder .. "/first.lua", first .. '\nos.exit(require("moonpulse.cli").main(arg))\n')
    shell.write(starter, ("#!/bin/sh\nexec %s lua %s/first.lua \"$@\"\n"):format(shell.absolute, folder))
    os.execute("chmod 755 " .. starter)
    companions.program = function() return starter end -- luacheck: ignore 122
    local ok, problem = pcall(call)
    companions.program = real -- luacheck: ignore 122
    assert(ok, problem)
  end

  it("is not whole where the kernel shuts nothing in: nothing of the folder is run", function()
    with_program('require("moonpulse.core").shut_in = function() return false end', function()
      for name, run in pairs(runs) do
        local found = verify.folder(run, {})
        assert.are.equal("not all checked", found.verdict, name)
        assert.matches("the kernel does not shut this process in (seccomp", found.unchecked[1], 1, true)
        assert.matches("nothing of the folder is run", found.unchecked[1], 1, true)
        assert.is_nil(table.concat(found.checked, "\n"):find("kept text", 1, true))
      end
    end)
  end)

  it("comes with how long it takes, and has a bound by the clock", function()
    local children, told = require "moonpulse.verify.child", {}
    local before = children.longest_s.experiment
    children.longest_s.experiment = 2
    local path = changed("experiment", function() end, nil, { ["sources/experiment.lua"] = function(text)
      return (text:gsub("stim:disarm%(%)", "while true do end"))
    end })
    local found = verify.folder(path, {}, function(what, done, total, of)
      told[#told + 1] = what == "playing the kept script again" and { done, total, of } or nil
    end)
    children.longest_s.experiment = before
    assert.are.same({ 1, 2, "s at most" }, told[1])
    assert.is_false(found.whole)
    assert.matches("the look was ended after 2 s: does it come to an end?",
      table.concat(found.unchecked, "\n"), 1, true)
  end)

  it("copies no more of sources/ than a run keeps, and names the field", function()
    local many = changed("experiment", function(manifest)
      local first = manifest.files[1]
      for i = 1, 5000 do
        manifest.files[#manifest.files + 1] = { file = first.file, sha256 = first.sha256, role = "data",
          as = "copies/" .. i }
      end
    end)
    local text = table.concat(verify.folder(many, {}).unchecked, "\n")
    assert.matches("manifest.json: files has 500%d entries that a run reads, at most 2,000 are copied", text)
    local large = changed("experiment", function(manifest, path)
      shell.write(path .. "/sources/large", ("x"):rep(1 << 20))
      for i = 1, 300 do
        manifest.files[#manifest.files + 1] = { file = "sources/large", role = "data", as = "large" .. i,
          sha256 = ("0"):rep(64) }
      end
    end)
    text = table.concat(verify.folder(large, {}).unchecked, "\n")
    assert.matches("files%[257%] %(sources/large%): with it more than 256 MB are to be copied", text)
  end)

  it("leaves no folder behind: of a script that a signal ends, nor where verify itself is ended", function()
    local endless = changed("experiment", function() end, nil, { ["sources/experiment.lua"] = function(text)
      return (text:gsub("stim:disarm%(%)", 'print "on its way" while true do end'))
    end })
    local place = folder .. "/temporary"
    assert(lfs.mkdir(place))
    for _, signal in ipairs { "INT", "TERM" } do
      local job = shell.start(folder, "verify" .. signal, "verify " .. endless, "TMPDIR=" .. place)
      shell.await(function() return job:err():find "playing the kept script again" end, "the script")
      local there = shell.names(place)
      assert.are.equal(1, #there, io.popen("find " .. place):read "a")
      job:signal(signal)
      assert.are.equal(5, job:wait())
      assert.are.same({}, shell.names(place), signal)
    end
    shell.write(folder .. "/first.lua", [[local core = require "moonpulse.core"
      local confine = core.confine
      core.confine = function() confine { seconds = 1, megabytes = 1024, file_megabytes = 512 } end
      local companions = require "moonpulse.text.companions"
      local program = companions.program()
      companions.program = function() return os.getenv "STARTED" or program end
      os.exit(require("moonpulse.cli").main(arg))]])
    local started = folder .. "/started"
    shell.write(started, ("#!/bin/sh\nexec %s lua %s/first.lua \"$@\"\n"):format(shell.absolute, folder))
    os.execute("chmod 755 " .. started)
    local status, out = shell.sh(folder, ("TMPDIR=%s STARTED=%s %s verify %s"):format(place, started, started,
      endless))
    assert.are.equal(6, status, out)
    assert.matches("it took more than 60 s of computing", out, 1, true) -- which the kernel ended
    assert.are.same({}, shell.names(place))
  end)

  it("of verify.sh is none where this computer cannot judge", function()
    local command = ("TMPDIR=/nowhere sh %s/verify.sh"):format(runs.protocol)
    local status, out = shell.sh(folder, command)
    assert.are.equal(6, status)
    assert.matches("not checked: journal.jsonl: no folder can be made in /nowhere: set TMPDIR", out, 1, true)
    assert.is_nil(out:find("differs", 1, true))
    assert.is_nil(out:find("whole", 1, true))
    local copy = folder .. "/copy"
    os.execute(("rm -rf %s; cp -r %s %s; echo >> %s/events.tsv"):format(copy, runs.protocol, copy, copy))
    assert.are.equal(1, (shell.sh(folder, ("TMPDIR=/nowhere sh %s/verify.sh"):format(copy))))
    assert.are.equal(0, (shell.sh(folder, ("sh %s/verify.sh"):format(runs.protocol))))
  end)
end)
