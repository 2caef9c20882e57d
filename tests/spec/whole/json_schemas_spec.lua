--- What --json prints is as docs/schemas says: every command that has it, several kinds of output each.
--- Judged by python3-jsonschema, which knows nothing of Moonpulse.
local cjson = require "cjson"
local schema_judge = require "schema_judge"
local shell = require "shell"

local folder, judge
setup(function()
  folder = shell.folder()
  judge = schema_judge.new(folder)
end)
teardown(function()
  judge:close()
  shell.remove(folder)
end)

local function schema_of(name)
  return ("docs/schemas/%s.schema.json"):format(name)
end

--- What the judge says of files: "" is that all of them are right.
local function judged(list)
  local by_schema, groups = {}, {}
  for _, each in ipairs(list) do
    by_schema[each.schema] = (by_schema[each.schema] or "") .. " " .. shell.quote(each.path)
  end
  for schema, paths in pairs(by_schema) do
    groups[#groups + 1] = schema_of(schema) .. paths
  end
  return judge:ask("--any-order " .. table.concat(groups, " -- "))
end

local made = 0

--- Take what a command said as a file for the judge; kind: "lines" or one object.
local function taken(schema, arguments, kind, wanted, result)
  made = made + 1
  local path = ("%s/%s.%d.%s"):format(folder, schema, made, kind == "lines" and "jsonl" or "json")
  assert((wanted or { [0] = true })[result.status], ("%s: status %s: %s"):format(arguments, result.status,
    result.err))
  shell.write(path, result.out)
  return { schema = schema, path = path }
end

--- The output of a command as a file for the judge.
local function output(schema, arguments, kind, wanted)
  local status, out, err = shell.moonpulse(folder, (arguments:gsub("@/", folder .. "/")))
  return taken(schema, arguments, kind, wanted, { status = status, out = out, err = err })
end

--- The same of several commands, { schema, arguments, kind, wanted } each, in one program.
local function outputs(commands)
  local lines, list = {}, {}
  for i, command in ipairs(commands) do
    lines[i] = command[2]:gsub("@/", folder .. "/")
  end
  for i, result in ipairs(shell.many(folder, lines)) do
    local schema, arguments, kind, wanted = table.unpack(commands[i], 1, 4)
    list[i] = taken(schema, arguments, kind, wanted, result)
  end
  return list
end

local function run(arguments, name)
  arguments = arguments:gsub("@/", folder .. "/")
  shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments, folder, name))
  return ("%s/%s/%s"):format(folder, name, shell.names(folder .. "/" .. name)[1])
end

local judged_or_refused = { [0] = true, [3] = true, [6] = true }

describe("docs/schemas", function()
  setup(function()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
    shell.write(folder .. "/lab.lua", "return { name = 'Lab', pulses_per_day = 500 }\n")
    shell.write(folder .. "/empty.lua", "return require('moonpulse').experiment(function() end)\n")
  end)

  -- what these print is for people, or is in a form that programs read as it is
  local without = { events = "TSV", plot = "pictures", frame = "hex", decode = "key=value",
    test = "TAP, junit", new = "files",
    sim = "goes on", explore = "goes on", lua = "the file's" }
  local prints_as = { resume = "run", repl = "run" } -- they are runs

  it("has one for every command, or its output is no JSON for a reason", function()
    local names, commands = {}, {}
    for line in io.popen(shell.program .. " --help"):lines() do
      local name = line:match("^   (%l[%w-]+) +%l")
      if name and not line:find("^   moonpulse ") then
        names[#names + 1], commands[#names + 1] = name, name .. " --help"
      end
    end
    for i, help in ipairs(shell.many(folder, commands)) do
      local name, has = names[i], help.out:find("--json", 1, true) ~= nil
      assert(has ~= (without[name] ~= nil), name .. (has and " has --json" or " has no --json"))
      local schema = schema_of(prints_as[name] or name)
      assert(not has or shell.read(schema), name .. " --json has no schema in docs/schemas")
    end
    assert.is_true(#names > 20)
  end)

  it("is right of what a command prints that fails, whichever has --json", function()
    local commands, wanted = {}, { [2] = true, [3] = true, [4] = true }
    for i, arguments in ipairs { "run nosuch", "run itbs600", "run itbs600 --amt 95 --device rapid "
        .. "--port /dev/nosuch", "run itbs600 --amt 50 --zzz", "run @/empty.lua --tolerance x",
      "check nosuch", "show nosuch", "devices --device nosuch", "doctor --port nosuch --device nosuch",
      "protocols nosuch",
      "verify @/nosuch", "sign @/nosuch --key @/nosuch",
      "note @/nosuch text", "rerun @/nosuch", "diff itbs600 nosuch",
      "runs --course @/x", "methods @/nosuch/", "recover @/nosuch", "check-bids @/nosuch",
      "export crate @/nosuch", "import bids @/nosuch", "compile nosuch", "compile itbs600 -o -",
      "ports --zzz" } do
      commands[i] = { "error", arguments .. " --json", "lines", wanted }
    end
    local list = outputs(commands)
    for i, each in ipairs(list) do
      assert.are.equal("moonpulse error", cjson.decode(shell.read(each.path)).what, commands[i][2])
    end
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse run, and nothing else is on standard output", function()
    local list = {}
    local ends = { [0] = true, [2] = true, [4] = true }
    for i, arguments in ipairs { "itbs600 --amt 50 -p trains=2", "itbs600 --amt 50 -p trains=2 --fault nak@7",
      "scripts/threshold.lua --answers @/answers.txt", "scripts/threshold.lua --answers @/none.txt",
      "@/empty.lua" } do
      shell.write(folder .. "/none.txt", "")
      list[i] = output("run", ("run %s --json --speed max --out @/json%d"):format(arguments, i), "object",
        ends)
      local found = cjson.decode(shell.read(list[i].path))
      local manifest = cjson.decode(shell.read(found.folder .. "/manifest.json"))
      assert.are.same({ manifest.status, manifest.result.pulses_sent, manifest.result.reason },
        { found.status, found.pulses.sent, found.reason })
      local _, sum = shell.sh(folder, "sha256sum < '" .. found.folder .. "/SHA256SUMS'")
      assert.are.equal(sum:match("^%x+"), found.seal)
      assert.are.equal(found.exit_status == 0, found.message == nil)
    end
    list[#list + 1] = output("run", "run itbs600 --amt 50 -p trains=1 --json --out @/real --late skip "
      .. "--tolerance 900", "object", ends)
    shell.write(folder .. "/yes.txt", ("y\n"):rep(20))
    list[#list + 1] = output("run", "run itbs600 --amt 50 --json --port /dev/nosuch --device magventure "
      .. "--out @/nosuch --operator OP < @/yes.txt", "object", ends) -- it has a record, of nothing
    assert.are.equal(0, cjson.decode(shell.read(list[#list].path)).pulses.sent)
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse rerun, recover, note and sign", function()
    local one, other = run("itbs600 --amt 50 -p trains=2", "again"),
      run("scripts/threshold.lua --answers @/answers.txt", "again2")
    local list = { output("rerun", "rerun --json " .. one .. " --out @/reruns"),
      output("rerun", "rerun --json " .. other .. " --out @/reruns"),
      output("rerun", "rerun --json " .. one .. " --amt 60 --out @/reruns", "object", { [1] = true }) }
    assert.is_true(cjson.decode(shell.read(list[1].path)).same)
    assert.is_false(cjson.decode(shell.read(list[3].path)).same)
    os.remove(one .. "/report.html")
    list[4] = output("recover", "recover --json " .. one)
    local manifest = shell.read(other .. "/manifest.json")
    shell.write(other .. "/manifest.json", (manifest:gsub('"status": "completed"', '"status": "running"', 1)))
    list[5] = output("recover", "recover --json " .. other)
    assert.are.same({ false, true }, { cjson.decode(shell.read(list[4].path)).recovered,
      cjson.decode(shell.read(list[5].path)).recovered })
    if select(1, shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -f %s/key"):format(folder))) == 0 then
      list[6] = output("sign", ("sign --json %s --key @/key"):format(run("itbs600 --amt 50 -p trains=1",
        "signed")))
    end
    list[#list + 1] = output("note", ("note --json %s text"):format(run("itbs600 --amt 50 -p trains=1",
      "noted")))
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse show, devices, ports and compile", function()
    local commands = {}
    for i, arguments in ipairs { "itbs600", "sici --seed 3", "tmseeg_sp --seed 4", "saint", "pas25",
      "io_curve", "hf10_neurostar -p trains=10", "scripts/threshold.lua --answers @/answers.txt",
      "@/empty.lua" } do
      commands[i] = { "show", "show --json " .. arguments }
    end
    local drivers = output("devices", "devices --json", "lines")
    for name in shell.read(drivers.path):gmatch('"name":"([%w_]+)","options"') do
      commands[#commands + 1] = { "devices", "devices --json --device " .. name }
    end
    assert.is_true(#commands > 9 + 6)
    local list = outputs(commands)
    assert.are.equal(600, cjson.decode(shell.read(list[1].path)).pulses)
    list[#list + 1] = drivers
    list[#list + 1] = output("ports", "ports --json")
    list[#list + 1] = output("check", "check --json sici --rmt 50 --each-device")
    list[#list + 1] = output("compile", "compile --json sici --seed 5 -o @/sici.plan")
    local compiled = cjson.decode(shell.read(list[#list].path))
    assert.are.equal(compiled.sha256, shell.read(folder .. "/sici.plan"):match("sha256 (%x+)\n$"))
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse export and import", function()
    local one = run("itbs600 --amt 50 -p trains=1", "exported")
    local list = { output("export", "export bids --json " .. one .. " --bids @/dataset --sub 01"),
      output("export", "export crate --json " .. one .. " -o @/crate"),
      output("export", "export prov --json " .. one .. " -o @/prov.json"),
      output("export", "export xdf --json " .. one .. " -o @/one.xdf"),
      output("export", ("export prov --json %s %s/nosuch --out @/many"):format(one, one), "object",
        { [2] = true }) }
    local file = cjson.decode(shell.read(list[1].path)).runs[1].file
    list[6] = output("import", ("import bids --json @/dataset/%s -o @/imported.plan"):format(file))
    list[7] = output("import", "import bids --json 'nibs_event_id=mine pattern1_count=10 "
      .. "pattern1_interval=100 intensity_reference=rMT intensity_scaling=1.1' -o @/row.plan")
    assert.are.same({ true, false }, { cjson.decode(shell.read(list[6].path)).as_run,
      cjson.decode(shell.read(list[7].path)).as_run })
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse check", function()
    local commands = {}
    for i, arguments in ipairs { "itbs600 --amt 50", "hf10_neurostar --rmt 80", "itbs600 --amt 95",
      "io_curve -p repeats=2 --rmt 50", "io_curve -p repeats=2 --rmt 50 --seed 3", "lf1_m1_600",
      "itbs600 --amt 50 --lab @/lab.lua", "itbs600 --amt 50 --coil circular --threshold foot",
      "pas25 --rmt 50 -p nerve=30%MSO --device sim:stimjim --device-option full_scale_mv=10000 "
        .. "--device-option channels=nerve=0,tms=1", "itbs600 --amt 50 --participant P07 --out @/none",
      "scripts/threshold.lua --answers @/answers.txt", "@/empty.lua" } do
      commands[i] = { "check", "check --json " .. arguments, "object", judged_or_refused }
    end
    local list = outputs(commands)
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
    local commands = {}
    for _, what in ipairs { "itbs600", "itbs600 --amt 50 --device magventure", "sici --rmt 50", "io_curve",
      "pas25",
      "qtbs", "sham", "prime_ctbs_itbs", "scripts/threshold.lua --answers @/answers.txt", "@/empty.lua",
      table.unpack(runs) } do
      commands[#commands + 1] = { "methods", "methods --json " .. what, "object" }
      for _, name in ipairs { "chipchase", "rtms", "tms-rat" } do
        commands[#commands + 1] = { "methods-checklist", ("methods --json %s --checklist %s"):format(what,
          name) }
      end
    end
    commands[#commands + 1] = { "methods-runs", ("methods --json %s %s"):format(runs[1], runs[2]) }
    commands[#commands + 1] = { "methods-runs", ("methods --json %s"):format(table.concat(runs, " ")) }
    local list = outputs(commands)
    assert.are.equal("", judged(list))
    -- exact, though no float has it
    assert.matches('"seed":9223372036854775807', shell.read(list[4 * 12 + 1].path), 1, true)
  end)

  it("is right of moonpulse verify", function()
    local changed, whole = run("itbs600 --amt 50 -p trains=1", "changed"),
      run("itbs600 --amt 50 -p trains=1", "whole")
    local unsealed = run("itbs600 --amt 50 -p trains=1", "unsealed")
    local text = shell.read(changed .. "/events.tsv")
    shell.write(changed .. "/events.tsv", (text:gsub("\t40\t80\t", "\t41\t80\t", 1)))
    os.remove(unsealed .. "/SHA256SUMS")
    local differs = { [0] = true, [1] = true }
    assert.are.equal("", judged { output("verify", "verify --json " .. whole, "lines"),
      output("verify", "verify --json " .. changed .. " " .. whole, "lines", differs),
      output("verify", "verify --json " .. unsealed, "lines", differs) })
  end)

  it("is right of moonpulse diff", function()
    local differs = { [0] = true, [1] = true }
    local one = run("itbs600 --amt 50 -p trains=2", "one")
    local other = run("itbs600 --amt 50 -p trains=2 --fault nak@7", "other")
    assert.are.equal("", judged { output("diff", "diff --json itbs600 itbs600"),
      output("diff", "diff --json itbs600 ctbs600", "object", differs),
      output("diff", ("diff --json %s %s"):format(one, other), "object", differs),
      output("diff", ("diff --json itbs600 %s"):format(one), "object", differs) })
  end)

  it("is right of moonpulse check-bids", function()
    local exported = run("itbs600 --amt 50 -p trains=1", "given")
    local status, _, err = shell.moonpulse(folder, ("export bids %s --bids %s/study --sub 01"):format(
      exported, folder))
    assert(status == 0, err)
    local list = { output("check-bids", "check-bids --json @/study") }
    os.execute(("rm %s/study/sub-01/nibs/*_nibs.json"):format(folder))
    list[2] = output("check-bids", "check-bids --json @/study", "object", { [4] = true })
    os.execute(("mkdir %s/bare"):format(folder))
    list[3] = output("check-bids", "check-bids --json @/bare", "object", { [0] = true, [4] = true })
    assert.are.equal("", judged(list))
  end)

  it("is right of moonpulse runs", function()
    local function earlier(name, more)
      local manifest = { participant = "P07", status = "completed", device = { simulated = false },
        started = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 48 * 60), protocol = { id = "saint" },
        result = { pulses_sent = 1800, elapsed_s = 600 } }
      for key, value in pairs(more or {}) do
        manifest[key] = value
      end
      os.execute(("mkdir -p %s/earlier_runs/%s"):format(folder, name))
      shell.write(("%s/earlier_runs/%s/manifest.json"):format(folder, name), cjson.encode(manifest))
    end
    earlier "one"
    earlier("torn", { status = "running", result = cjson.null })
    shell.write(folder .. "/earlier_runs/one/unreadable.txt", "x")
    shell.moonpulse(folder, ("run itbs600 --amt 50 -p trains=1 --speed max --participant P07 --out "
      .. "%s/earlier_runs"):format(folder))
    os.execute(("mkdir %s/earlier_runs/empty; echo { > %s/earlier_runs/empty/manifest.json"):format(folder,
      folder))
    shell.write(folder .. "/course.lua", "return require('moonpulse').course { protocol = 'saint', phases = "
      .. "{ { per_day = 10, days = 5, gap_min = 3000 } } }\n")
    local list = {}
    for i, arguments in ipairs { "", "--participant P07", "--participant P07 --course @/course.lua",
      "--participant P99", "--protocol saint --all" } do
      list[i] = output("runs", "runs --json --out @/earlier_runs " .. arguments)
    end
    list[#list + 1] = output("runs", "runs --json --out @/no_runs")
    assert.are.equal("", judged(list))
    local found = cjson.decode(shell.read(list[3].path))
    assert.is_true(#found.runs >= 2 and #found.torn == 1 and #found.participant.schedules >= 1)
  end)

  it("is not right of an object with another key, or without one that it needs", function()
    local bad = { [0] = true, [4] = true }
    local files = { check = output("check", "check --json itbs600 --amt 50"),
      methods = output("methods", "methods --json itbs600"), show = output("show", "show --json itbs600"),
      run = output("run", "run --json itbs600 --amt 50 -p trains=1 --speed max --out @/r"),
      error = output("error", "run --json nosuch", "object", { [2] = true }),
      ports = output("ports", "ports --json"),
      compile = output("compile", "compile --json itbs600 -o @/i.plan"),
      devices = output("devices", "devices --json", "lines"),
      rerun = output("rerun", "rerun --json " .. run("itbs600 --amt 50 -p trains=1", "f") .. " --out @/r"),
      ["methods-checklist"] = output("methods-checklist", "methods --json itbs600 --checklist rtms"),
      protocols = output("protocols", "protocols --json itbs600"),
      doctor = output("doctor", "doctor --json", "lines", bad),
      verify = output("verify", "verify --json " .. run("itbs600 --amt 50 -p trains=1", "e"), "lines"),
      diff = output("diff", "diff --json itbs600 itbs600"),
      runs = output("runs", "runs --json --out @/earlier_runs --participant P07"),
      ["check-bids"] = output("check-bids", "check-bids --json @/bare", "object", bad) }
    local same, list = {}, {}
    local function write(into, schema, object)
      local path = ("%s/%s.%d"):format(folder, into == same and "same" or "changed", #into + 1)
      into[#into + 1] = { schema = schema, path = path }
      shell.write(path, (cjson.encode(object):gsub(":{}", ":[]"))) -- what is empty is a list
    end
    for schema, file in pairs(files) do
      local text = shell.read(file.path)
      text = file.path:find("jsonl$") and text:match("[^\n]+") or text
      write(same, schema, cjson.decode(text))
      local more = cjson.decode(text)
      more.zzz = 1
      write(list, schema, more)
      local described = cjson.decode(shell.read(schema_of(schema)))
      for _, key in ipairs((described.oneOf and described.oneOf[1] or described).required) do
        local less = cjson.decode(text)
        assert(less[key] ~= nil, key)
        less[key] = nil
        write(list, schema, less)
      end
    end
    assert.are.equal("", judged(same))
    local wrong, found = {}, 0
    for path in judged(list):gmatch("(%S+): [^\n]*\n") do
      found, wrong[path] = found + (wrong[path] and 0 or 1), true
    end
    assert.are.equal(#list, found)
    assert.is_true(#list > 30)
  end)
end)
