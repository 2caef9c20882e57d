-- The folder of a run: a manifest for people, what recover needs apart from it, and what the run read.
local bytes_read = require "moonpulse.text.bytes_read"
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local keeping = require "moonpulse.run.keeping"
local lfs = require "lfs"
local manifest_files = require "moonpulse.record.manifest_file"
local read = require "moonpulse.record.read"
local records = require "moonpulse.record"
local shell = require "shell"

describe("the folder of a run", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  local function moonpulse(arguments, ...)
    return shell.moonpulse(folder, arguments:format(...))
  end

  local made = [[local mp = require "moonpulse"
    return mp.protocol { id = "made", name = "Made", params = { note = { default = "none" } },
      plan = function() return mp.train { pulses = 3, hz = 2, intensity = mp.rmt(80) } end }]]

  --- SHA-256 as a program that is not ours has it.
  local function sha256(path)
    local _, out = shell.sh(folder, "sha256sum < " .. shell.quote(path))
    return out:match("^%x+")
  end

  --- The files of sources/ by their role; each is there, private and has the hash that is told.
  local function kept(run)
    local by_role, told = {}, { n = 0 }
    for _, each in ipairs(fixture.manifest(run).files) do
      local path = run .. "/" .. each.file
      assert.are.equal(sha256(path), each.sha256, each.file)
      assert.are.equal("rw-------", lfs.attributes(path, "permissions"))
      assert.is_nil(told[each.file], each.file .. " is told twice")
      told[each.file], told.n = true, told.n + 1
      by_role[each.role] = by_role[each.role] or {}
      table.insert(by_role[each.role], each.file:match("^sources/(.*)$"))
    end
    assert.are.equal(told.n, #shell.names(run .. "/sources"))
    return by_role
  end

  --- Every text in it, but for what the user gave as a parameter.
  local function texts(value, found)
    for key, each in pairs(value) do
      if type(each) == "table" and key ~= "parameters" then
        texts(each, found)
      elseif type(each) == "string" then
        found[#found + 1] = each
      end
    end
    return found
  end

  it("has a manifest whose keys stand in one order, indented, without places and internals", function()
    assert(lfs.mkdir(folder .. "/my lab"))
    shell.write(folder .. "/my lab/made.lua", made)
    local out = folder .. "/my lab/runs"
    assert.are.equal(0, (moonpulse("run '%s/my lab/made.lua' --rmt 50 --speed max --seed 5 --participant P07 "
      .. "--operator AB --out '%s'", folder, out)))
    local run = fixture.run_in(out)
    local text, manifest = shell.read(run .. "/manifest.json"), fixture.manifest(run)
    local keys, at = {}, 0
    for key in text:gmatch('\n  "([%w_]+)": ') do
      keys[#keys + 1] = key
    end
    for i, key in ipairs { "record_version", "what", "kind", "status", "started", "participant", "operator",
      "protocol", "parameters", "seed", "thresholds", "device", "safety", "preflight", "result", "files",
      "host", "moonpulse" } do
      local place
      for k, each in ipairs(keys) do
        place = each == key and k or place
      end
      assert.is_true(place ~= nil and place > at, ("%s (%d) is not in its place: %s"):format(key, i,
        table.concat(keys, " ")))
      at = place
    end
    assert.are.equal(3, manifest.record_version)
    assert.is_nil(manifest.flight)
    assert.are.same({ 50, "%MSO" }, { manifest.thresholds.rmt.value, manifest.thresholds.rmt.unit })
    assert.are.same({ "P07", "AB" }, { manifest.participant, manifest.operator })
    assert.are.equal("made.lua", manifest.protocol.file)
    for _, each in ipairs(texts(manifest, {})) do
      assert.is_nil(("\n" .. each):find("[%s'\"(:=]/%w+/"), each)
      assert.is_nil(each:find(folder, 1, true), each)
    end
    assert.are.equal("", (text:gsub("[^\t]", "")))
    assert.are.equal(text, manifest_files.encode(read.manifest(run .. "/manifest.json")))
    assert.are.same({ protocol = { "made.lua" } }, kept(run))
    assert.are.equal(made, shell.read(run .. "/sources/made.lua"))
  end)

  it("keeps every file that the run read, clashes numbered, as it was when it was read", function()
    shell.write(folder .. "/exp.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        package.path = "?.lua;later/?.lua;" .. package.path
        local helper = require "helper"
        local other = dofile(run.params.other)
        stim:arm()
        stim:fire(mp.pulse { intensity = mp.mso(helper.mso + other) })
        run:ask "MEP? [y/n]"
        local list = {}
        for line in io.lines "data/list.csv" do
          list[#list + 1] = line
        end
        local more = io.open(run.params.other):read "a"
        io.open("out.txt", "w"):write(more):close()
        local late = require "late"
        late(run)
      end)]])
    shell.write(folder .. "/exp.lua", shell.read(folder .. "/exp.lua"):gsub("mp.experiment%(function", [[
      mp.experiment { params = { other = { default = "" } }, run = function]]):gsub("end%)$", "end }"))
    local helper = "return { mso = 30 }\n"
    shell.write(folder .. "/helper.lua", helper)
    assert(lfs.mkdir(folder .. "/later"))
    shell.write(folder .. "/later/late.lua", "return function(run) run:mark 'late' end")
    shell.write(folder .. "/later/helper.lua", "#!/bin/lua\nlocal f = io.open('helper.lua', 'w') "
      .. "f:write 'return 1' f:close() return 10")
    assert(lfs.mkdir(folder .. "/data"))
    shell.write(folder .. "/data/list.csv", "1,2\n3,4\n")
    shell.write(folder .. "/answers", "y\n")
    shell.write(folder .. "/lab.lua", "return { pulses_per_session = 100 }")
    shell.write(folder .. "/list", "Ear plugs in?\n")
    local status, out, err = shell.sh(folder, ("cd %s && printf 'y\\n' | "
      .. "%s run exp.lua -p other=%s/later/helper.lua --speed max --seed 5 --answers answers "
      .. "--lab lab.lua --preflight list --operator AB --out runs"):format(folder,
      shell.quote(shell.absolute), folder))
    assert.are.equal(0, status, out .. err)
    local run = fixture.run_in(folder .. "/runs")
    local by_role = kept(run)
    table.sort(by_role.module)
    table.sort(by_role.data)
    assert.are.same({ experiment = { "exp.lua" }, answers = { "answers" }, preflight = { "list" },
      ["lab limits"] = { "lab.lua" }, module = { "helper.lua", "helper_2.lua", "late.lua" },
      data = { "helper_3.lua", "list.csv" } }, by_role)
    local as = {}
    for _, each in ipairs(fixture.manifest(run).files) do
      as[each.file] = each.as
    end
    assert.are.same({ ["sources/helper.lua"] = "helper", ["sources/late.lua"] = "late",
      ["sources/list.csv"] = "data/list.csv" }, as)
    assert.are.equal(helper, shell.read(run .. "/sources/helper.lua")) -- not what was written since
    assert.are.equal("return 1", shell.read(folder .. "/helper.lua"))
  end)

  it("numbers sources of one name, whether it has an ending or not", function()
    assert(require("lfs").mkdir(folder .. "/numbered"))
    local sources = require("moonpulse.record.sources").new(folder .. "/numbered")
    for i, name in ipairs { "README", "a.b.txt", "README", "A.b.txt", "readme" } do
      assert(sources:keep("data", ("/%d/%s"):format(i, name), name))
    end
    local names = {}
    for i, each in ipairs(sources.list) do
      names[i] = each.file
    end
    assert.are.same({ "sources/README", "sources/a.b.txt", "sources/README_2", "sources/A.b_2.txt",
      "sources/readme_3" }, names)
  end)

  it("says of an empty list in its manifest that it is one, wherever a list may be", function()
    local text = manifest_files.encode { preflight = {}, files = {}, clock = { jumps = {} },
      thresholds = { found = {} }, experiment = { staircases = { { track = {} } } },
      safety = { findings = {}, history = { notes = {}, unreadable = {} }, override = {} } }
    for _, name in ipairs { "preflight", "files", "jumps", "found", "track", "findings", "notes",
      "unreadable" } do
      assert.matches(('"%s": []'):format(name), text, 1, true)
    end
    assert.matches('"override": {}', text, 1, true)
    assert.matches('"staircases": []', manifest_files.encode { experiment = { staircases = {} } }, 1, true)
  end)

  it("keeps a driver's file, its simulator and what they load", function()
    assert.are.equal(0, (shell.sh(folder, ("cd %s && %s new driver coil_box"):format(folder,
      shell.quote(shell.absolute)))))
    shell.write(folder .. "/made.lua", made)
    for i, speed in ipairs { " --speed max", " --tolerance 1000" } do
      local out = ("%s/runs%d"):format(folder, i)
      local status, _, err = moonpulse("run %s/made.lua --rmt 50 --device sim:%s/coil_box.lua --out %s%s",
        folder, folder, out, speed)
      assert.are.equal(0, status, err)
      local run = fixture.run_in(out)
      assert.are.same({ protocol = { "made.lua" }, driver = { "coil_box.lua" },
        simulator = { "coil_box_simulator.lua" } }, kept(run))
      assert.are.equal("coil_box.lua", fixture.manifest(run).device.driver)
      assert.are.equal(folder .. "/coil_box.lua", fixture.internals(run).driver)
    end
  end)

  --- The folder as an older version left it: everything in the manifest, which is one line.
  local function make_older(run, status)
    local manifest, internals = fixture.manifest(run), fixture.internals(run)
    for _, key in ipairs { "record_version", "what", "files", "clock", "ended", "journal_head",
      "journal_lines" } do
      manifest[key] = nil
    end
    manifest.flight, manifest.device.driver = internals.flight, internals.driver
    manifest.thresholds = { rmt = manifest.thresholds.rmt.value }
    manifest.protocol.file = "/home/kim/made.lua"
    manifest.safety.operator, manifest.operator = manifest.operator, nil
    manifest.device.simulated, manifest.participant = false, "P07"
    manifest.started = manifest.started:gsub("%.%d+", ""):gsub(":(%d%d)$", "%1")
    if status == "running" then
      manifest.status, manifest.result = "running", nil
    end
    shell.write(run .. "/manifest.json", cjson.encode(manifest) .. "\n")
    assert(os.execute(("cd %s && rm -rf recover.json sources resolved.plan SHA256SUMS verify.sh "
      .. "journal.jsonl events.json report.html"):format(shell.quote(run))))
  end

  it("of an older version is recovered, reported and counted as before", function()
    shell.write(folder .. "/made.lua", made)
    local out = folder .. "/runs"
    for _ = 1, 2 do
      assert.are.equal(0, (moonpulse("run %s/made.lua --rmt 50 --tolerance 1000 --operator AB --out %s",
        folder, out)))
    end
    local names = shell.names(out)
    local ended, torn = out .. "/" .. names[1], out .. "/" .. names[2]
    make_older(ended, "completed")
    make_older(torn, "running")
    local history = require "moonpulse.safety.history"
    assert.are.equal(6, history.of(out, "P07").day) -- three each, also of the torn one
    os.remove(torn .. "/events.tsv")
    local status, told, err = moonpulse("recover %s", torn)
    assert.are.equal(0, status, err)
    assert.matches("recovered 3 of 3 planned pulses", told, 1, true)
    assert.are.equal(3, #shell.rows(torn .. "/events.tsv"))
    local manifest = fixture.manifest(torn)
    assert.are.same({ "interrupted", 3, 50 }, { manifest.status, manifest.result.pulses_sent,
      manifest.thresholds.rmt })
    assert.is_table(manifest.flight) -- it stays what it was: recover reads it again
    assert.are.equal(0, (moonpulse("recover %s", ended))) -- its report was missing
    assert.matches("50 %MSO", shell.read(ended .. "/report.html"), 1, true)
    assert.are.equal(6, history.of(out, "P07").day)
  end)

  it("says at once that a disk takes no more, and plays nothing of which it cannot keep the text", function()
    local record = assert(records.create(folder .. "/runs", "made"))
    local kept_in = require("moonpulse.record.sources").new(record.folder)
    core.most_file(0)
    local ok, message = kept_in:keep("protocol", "/x/made.lua", made)
    core.most_file()
    assert.is_nil(ok)
    assert.matches("sources/made.lua: ", message, 1, true)
    assert.are.same({}, shell.names(record.folder .. "/sources"))
    assert.are.same({}, kept_in.list)
    -- what a script reads later is a refusal before it arms again, and kept when there is room
    shell.write(folder .. "/list.csv", "1,2\n")
    bytes_read.note_data(folder .. "/list.csv", io.open)
    local context = { record = record, sources = kept_in }
    core.most_file(0)
    local done, problem = pcall(keeping.more, context)
    core.most_file()
    assert.is_false(done)
    assert.are.equal("limit", problem.code)
    assert.matches("cannot keep what the run read: .*sources/.*: let files be longer %(ulimit %-f%), or name "
      .. "another folder", problem.message)
    keeping.more(context)
    assert.are.equal("1,2\n", shell.read(record.folder .. "/sources/list.csv"))
  end)

  it("has of a file that another program writes again and again each version, up to a number", function()
    local path, before = folder .. "/mep.txt", #bytes_read.by_scripts()
    for i = 1, 3 do
      shell.write(path, ("%d\n"):format(i))
      bytes_read.note_data(path, io.open)
      bytes_read.note_data(path, io.open)
    end
    assert.are.equal(before + 3, #bytes_read.by_scripts())
    shell.sh(folder, ("truncate -s 17M %s/long.bin"):format(folder))
    bytes_read.note_data(folder .. "/long.bin", io.open)
    local last = bytes_read.by_scripts()[before + 4]
    assert.are.same({ folder .. "/long.bin" }, { last.path, last.bytes })
  end)
end)

describe("manifest.json", function()
  it("is the same data when it is read, whatever it holds", function()
    local data = { seed = math.maxinteger // 2048, result = { a = 0.1, b = 1e-7, c = 1 / 3, d = -2.5e300 },
      what = "a \"quoted\" back\\slash\nline\t\1 \u{e9}", safety = { findings = {} }, files = {},
      flag = false, list = { 1, 2, 3 }, nested = { { x = 1 }, { y = "z" } } }
    local text = manifest_files.encode(data)
    assert.are.same(data, cjson.decode(text))
    assert.matches('"findings": []', text, 1, true)
    assert.are.equal(text, manifest_files.encode(cjson.decode(text)))
    assert.is_truthy(utf8.len(manifest_files.encode { what = "bad \xff bytes" }))
    assert.matches("null", manifest_files.encode { n = 0 / 0 }, 1, true)
  end)
end)

describe("a sentence", function()
  local machine_paths = require "moonpulse.text.machine_paths"

  it("names an earlier run beside it by its name, wherever it was begun", function()
    local manifests = require "moonpulse.run.manifest"
    local here = lfs.currentdir()
    for _, place in ipairs { here, here .. "/runs", "runs", "my runs/P 7" } do
      local context = { record = { folder = place .. "/now" }, job = { protocol = {}, driver = {} } }
      assert.are.equal("earlier1: it has no result", manifests.placeless(context,
        place .. "/earlier1: it has no result"))
    end
  end)

  it("names files and devices, not places", function()
    for text, expected in pairs {
      ["/home/kim/lab/mine.lua:7: bad"] = "mine.lua:7: bad",
      ["in (/home/kim/lab/mine.lua) and '/a/b/c.txt'"] = "in (mine.lua) and 'c.txt'",
      ["the port /dev/ttyUSB0 is lost"] = "the port ttyUSB0 is lost",
      ["/dev/ttyUSB1:byte=1"] = "ttyUSB1:byte=1", ["x on /dev/pts/3"] = "x on pts/3",
      ["https://doi.org/10.1000/x/y"] = "https://doi.org/10.1000/x/y",
      ["10.1016/j.neuron.2004"] = "10.1016/j.neuron.2004", ["1 pulse/s and/or 3/4"] = "1 pulse/s and/or 3/4",
      ["/my lab/x y/mine.lua:7: bad"] = "mine.lua:7: bad",
      ["the disk did not take /my lab/x y/journal.jsonl: bad"] = "the disk did not take journal.jsonl: bad",
      ["/my lab/x y: another program moved it"] = "x y: another program moved it",
      ["/my lab/x y_2: another"] = "/my lab/x y_2: another", -- not that folder
      ["/dev/shm/lab/run/journal.jsonl: bad"] = "journal.jsonl: bad",
      ["kept as my runs/x/events.tsv.replaced; read both"] = "kept as events.tsv.replaced; read both",
      ["kept as my runs/x2/events.tsv"] = "kept as my runs/x2/events.tsv",
    } do
      assert.are.equal(expected, machine_paths.without(text, { "/my lab/x y", "my runs/x" }))
    end
  end)
end)
