-- moonpulse rerun: the same plan, bytes and decisions, from the folder alone; what differs is told before.
local cjson = require "cjson"
local fixture = require "job"
local lfs = require "lfs"
local plans = require "moonpulse.verify.plan"
local recipes = require "moonpulse.rerun.recipe"
local seal = require "moonpulse.record.seal"
local resealed = require "resealed"
local shell = require "shell"

local drawn = [[
local mp = require "moonpulse"
return mp.protocol { id = "drawn", name = "Drawn", params = { n = { default = 3, min = 1, max = 50 } },
  plan = function(p)
    local pair = mp.pulse(mp.rmt(90)) .. mp.rest { min = 5, max = 6.5 } .. mp.pulse(mp.rmt(110))
    return mp.mark "begin" .. (pair .. mp.rest { min = 5, max = 9 }):times(p.n)
  end }
]]

local answers = "(for i in 1 2 3 4 5 6 7 8 9; do echo y; echo n; done) |"
local decides = [[
local mp = require "moonpulse"
return mp.experiment { name = "Decides", params = { start = { default = 45, min = 1 } }, run = function(run)
  local stim = run:device()
  local stairs = run:staircase { start = run.params.start, step = 4, reversals = 3 }
  for trial, intensity in stairs do
    run:sleep(run:uniform(5, 8))
    stim:arm(mp.pulse(mp.mso(intensity)))
    stim:play(mp.pulse(mp.mso(intensity)))
    trial:answer(run:ask "MEP? [y/n]")
    stim:disarm()
  end
  local at, byte = run:wait_trigger { timeout = 3600 }
  run:mark(("byte %s at %.3f"):format(byte, at))
  run:sleep(5)
  local plan = mp.pulse(mp.rmt(80)) .. mp.rest { min = 5, max = 7 } .. mp.pulse(mp.rmt(80))
  stim:arm(plan)
  stim:play(plan)
  run:note(run:ask "How was it?")
end }
]]

local program = shell.quote(shell.absolute)

describe("moonpulse rerun", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  --- Run text in a file of that name; the run's folder, in another place and without the file.
  local function recorded(name, text, arguments, wanted, input)
    local path = ("%s/%s.lua"):format(folder, name)
    shell.write(path, text)
    local status, _, err = shell.sh(folder, ("cd %s && %s %s run %s.lua --out %s/first %s"):format(folder,
      input or "", program, name, folder, arguments))
    assert.are.equal(wanted or 0, status, err)
    os.remove(path)
    local moved = folder .. "/moved"
    assert(os.rename(fixture.run_in(folder .. "/first"), moved))
    return moved
  end

  --- Do it again; the exit status, what was said, and the new folder (nil: there is none).
  local function again(run, arguments, input)
    local out = folder .. "/second"
    local status, text, err = shell.sh(folder, ("%s %s rerun %s --out %s %s"):format(input or "",
      shell.quote(shell.program), run, out, arguments or ""))
    local made = shell.names(out)[1]
    return status, text .. err, made and out .. "/" .. made
  end

  local function same_bytes(run, made, ...)
    for _, name in ipairs { ... } do
      local text = shell.read(run .. "/" .. name)
      assert.is_true(text ~= nil and text == shell.read(made .. "/" .. name), name)
    end
  end

  local devices = { { "magventure", "" }, { "magstim200", "" }, { "rapid", "--device-option model=super" } }

  for _, device in ipairs(devices) do
    it("gives the bytes of a protocol with drawn rests: " .. device[1], function()
      local run = recorded("drawn", drawn, ("-p n=4 --rmt 50 --speed max --device sim:%s %s"):format(
        table.unpack(device)))
      local status, text, made = again(run)
      assert.are.equal(0, status, text)
      same_bytes(run, made, "events.tsv", "twin.tsv", "resolved.plan", "sources/drawn.lua")
      local hash = shell.read(run .. "/resolved.plan"):match("sha256 (%x+)")
      assert.matches("plan        the same, SHA-256 " .. hash, text, 1, true)
      assert.matches("\nSAME ", text, 1, true)
      assert.is_nil(text:find("differs", 1, true))
    end)

    it("gives the bytes and the decisions of an experiment: " .. device[1], function()
      shell.write(folder .. "/answers.txt", ("y\nn\nN\ny\nY\nn\nn\ny\n"):rep(3) .. ("y\n"):rep(9))
      shell.write(folder .. "/triggers.txt", "900.5 port 7\n901 port 8\n")
      local run = recorded("decides", decides, ("-p start=40 --rmt 50 --speed max --device sim:%s %s "
        .. "--answers %s/answers.txt --triggers %s/triggers.txt"):format(device[1], device[2], folder,
        folder))
      local status, text, made = again(run)
      assert.are.equal(0, status, text)
      same_bytes(run, made, "events.tsv", "twin.tsv", "sources/decides.lua")
      assert.matches("\ndecisions   the same %(%d%d lines of the journal%)", text)
    end)
  end

  it("takes answers and triggers from the journal where no file gave them", function()
    shell.write(folder .. "/triggers.txt", "900.5 port 7\n")
    local run = recorded("decides", decides, ("-p start=40 --rmt 50 --speed max "
      .. "--triggers %s/triggers.txt"):format(folder), 0, answers)
    local manifest = cjson.decode(shell.read(run .. "/manifest.json"))
    for i, each in ipairs(manifest.files) do -- as if the bytes had come on a port
      if each.role == "triggers" then
        table.remove(manifest.files, i)
      end
    end
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    os.remove(run .. "/sources/triggers.txt")
    fixture.seal(run)
    local status, text, made = again(run)
    assert.are.equal(0, status, text)
    same_bytes(run, made, "events.tsv", "twin.tsv")
  end)

  it("does in virtual time what was done in real time: the same commands, the same decisions", function()
    local quick = decides:gsub("run:sleep%b()", "run:sleep(0.01)"):gsub("run:wait_trigger %b{}", "0, 7")
      :gsub("min = 5, max = 7", "min = 0.1, max = 0.3")
    local run = recorded("decides", quick, "--rmt 50 --tolerance 1000 --seed 3", 0, answers)
    local status, text, made = again(run)
    assert.are.equal(0, status, text)
    assert.matches("\nsimulator   was sent the same bytes %(%d+ commands%)", text)
    assert.matches("\ndecisions   the same", text, 1, true)
    assert.are_not.equal(shell.read(run .. "/events.tsv"), shell.read(made .. "/events.tsv"))
  end)

  it("takes what a script loaded, and a driver of one's own, from the folder", function()
    assert.are.equal(0, (shell.sh(folder, ("cd %s && mkdir lib data && %s new driver mybox"):format(folder,
      program))))
    shell.write(folder .. "/lib/steps.lua", "return { 5, 6.5, 5 }\n")
    shell.write(folder .. "/data/steps.lua", "31\n") -- another of that name
    local run = recorded("loads", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. ("package.path = '%s/?.lua;' .. package.path\n"):format(folder)
      .. 'local mso = io.open("data/steps.lua"):read("n")\n'
      .. 'local stim, pulse = run:device(), mp.pulse(mp.mso(mso))\nstim:arm(pulse)\n'
      .. 'for _, s in ipairs(require "lib.steps") do stim:play(pulse) run:sleep(s) end\nend)\n',
      ("--speed max --device sim:%s/mybox.lua"):format(folder))
    assert.are.equal(0, (shell.sh(folder, ("cd %s && rm -r lib data mybox*"):format(folder))))
    local status, text, made = again(run)
    assert.are.equal(0, status, text)
    same_bytes(run, made, "events.tsv", "twin.tsv", "sources/steps.lua", "sources/mybox.lua")
  end)

  it("ends as the run ended, and says so where that cannot be", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max --fault over-temperature@3", 4)
    local status, text, made = again(run)
    assert.are.equal(0, status, text)
    same_bytes(run, made, "events.tsv", "twin.tsv")
    assert.are.equal("device fault", fixture.manifest(made).status)
  end)

  it("tells another version, and an end that does not come again, before it arms", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max")
    resealed.edit(run, function(entries)
      entries[1].moonpulse, entries[1].commit = "0.0.9", nil
      resealed.ended_by(entries, "signal", "stopped by Ctrl-C (SIGINT)")
    end, { ["manifest.json"] = function(text)
      local manifest = cjson.decode(text)
      manifest.moonpulse, manifest.status = { version = "0.0.9" }, "stopped"
      resealed.ended_by({ manifest.result }, "signal", "stopped by Ctrl-C (SIGINT)")
      return cjson.encode(manifest)
    end })
    local status, text = again(run)
    assert.are.equal(0, status, text) -- until there
    assert.matches("differs     end: the run ended early (stopped by Ctrl-C (SIGINT)); nothing ends it there "
      .. "now", text, 1, true)
    local told = "differs     version: the run was made by Moonpulse 0.0.9, this is Moonpulse "
    local at = text:find(told, 1, true)
    assert.is_true(at ~= nil and at < text:find("\ntiming ", 1, true), text)
  end)

  --- The journal as it would be, had the run been on a stimulator; the SHA-256 of its last line.
  local function as_on_a_stimulator(run)
    local text, head, lines = "", nil, 0
    for line in io.lines(run .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      local kind = entry.kind
      if kind == "begin" then
        entry.device.simulated = false
      end
      entry.kind, entry.line, entry.prev, entry.check = nil, nil, nil, nil
      text, head, lines = seal.appended(text, kind, entry)
    end
    shell.write(run .. "/journal.jsonl", text)
    return head, lines
  end

  it("does on the simulator what was done on a stimulator, and that is the same", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max")
    local manifest = cjson.decode(shell.read(run .. "/manifest.json"))
    manifest.device.simulated, manifest.device.serial, manifest.speed = false, "77", 1
    manifest.journal_head, manifest.journal_lines = as_on_a_stimulator(run)
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    os.remove(run .. "/twin.tsv")
    fixture.seal(run)
    local status, text = again(run)
    assert.matches("differs     device: the run was on a MagVenture MagPro, serial number 77; now on its "
      .. "simulator", text, 1, true)
    assert.are.equal(0, status, text)
  end)

  it("tells another device, and what is rounded otherwise on it, before it arms", function()
    local run = recorded("drawn", (drawn:gsub("110", "111")), "--rmt 50 --speed max --device sim:pulsepal "
      .. "--device-option full_scale_volts=10")
    local status, text = again(run, "--device sim:magventure")
    assert.are.equal(1, status, text)
    local device = text:find("differs     device: the run was on a simulated Pulse Pal 2; now on ", 1, true)
    local rounding = text:find("differs     rounding: 111 %%RMT was 55%.4%d+ %%MSO, and is 56 %%MSO on this")
    assert.is_true(device ~= nil and rounding ~= nil and rounding < text:find("\ntiming ", 1, true), text)
    assert.matches("\nDIFFERENT ", text, 1, true)
    assert.matches("plan        the same", text, 1, true)
    assert.matches("stimulator output", text, 1, true)
  end)

  it("refuses what is not as the run left it, and arms nothing", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max")
    for _, harm in ipairs { { "sources/drawn.lua", function(text) return (text:gsub("110", "120")) end },
      { "journal.jsonl", function(text) return (text:gsub('"rmt":50', '"rmt":60')) end },
      { "manifest.json", function(text) return (text:gsub('"seed": ', '"seed": 1', 1)) end },
      { "sources/drawn.lua" } } do
      local text = shell.read(run .. "/" .. harm[1])
      if harm[2] then
        shell.write(run .. "/" .. harm[1], harm[2](text))
      else
        os.remove(run .. "/" .. harm[1])
      end
      local status, said, made = again(run)
      assert.are.equal(3, status, said)
      assert.matches(harm[1], said, 1, true)
      assert.matches("nothing was armed", said, 1, true)
      assert.is_nil(made)
      shell.write(run .. "/" .. harm[1], text)
    end
    assert.are.equal(0, (again(run)))
  end)

  it("does again, and verifies, what has a name that sources/ does not keep", function()
    local verify = require "moonpulse.verify"
    local without_id = drawn:gsub('id = "drawn", ', "")
    for _, name in ipairs { "my protocol", "Kim's", 'a"b', "a\\b", "a$b", ".hidden", "q (1)", "-x" } do
      for _, text in ipairs { drawn, name:find "^[%w_.-]+$" and without_id or nil } do
        shell.write(folder .. "/" .. name .. ".lua", text)
        local status, _, err = shell.sh(folder, ("cd %s && %s run ./%s.lua --out %s/first --rmt 50 "
          .. "--speed max"):format(folder, program, shell.quote(name), folder))
        assert.are.equal(0, status, name .. err)
        os.remove(folder .. "/" .. name .. ".lua")
        local run = fixture.run_in(folder .. "/first")
        assert.are.same({}, assert(verify.folder(run, {})).differs, name)
        local said, made
        status, said, made = again(run)
        assert.are.equal(0, status, name .. said)
        same_bytes(run, made, "events.tsv", "twin.tsv", "resolved.plan")
        assert(os.execute(("rm -r %s/first %s/second"):format(folder, folder)))
      end
    end
  end)

  it("puts each file where it was read, whatever its name, and none that the script made itself", function()
    local verify = require "moonpulse.verify"
    local function write(path, text)
      assert(os.execute(("mkdir -p %s"):format(shell.quote((path:match("^(.*)/"))))))
      shell.write(path, text)
    end
    local head = 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "local stim = run:device()\nstim:arm()\nlocal function mark(text) run:mark(tostring(text)) end\n"
      .. "local function put(name, mode, t) local f = io.open(name, mode); f:write(t); f:close() end\n"
      .. "local function all(name) return io.open(name):read 'a' end\n"
    local tail = "stim:fire(mp.pulse(mp.mso(30)))\nstim:disarm()\nend)\n"
    local cases = {
      { "e.lua", 'for l in io.lines "given/x" do mark(l) end', { ["given/x"] = "one\ntwo\n" } },
      { "sub/e.lua", 'mark(all "e.lua")', { ["e.lua"] = "data, and no script\n" } },
      { "e.lua", 'mark(all "e.lua":sub(1, 20))', {} },
      { "e.lua", 'package.path = "./lib/?.lua;" .. package.path; mark(require "x"); mark(all "x.lua")',
        { ["lib/x.lua"] = "return 5\n", ["x.lua"] = "no Lua" } },
      { "e.lua", 'mark(io.open "s.txt"); put("s.txt", "w", "1")\nfor l in io.lines "./s.txt" do mark(l) end',
        {}, { "s.txt" } },
      { "e.lua", 'mark(all "s.txt"); put("s.txt", "w", "2"); mark(all "s.txt")', { ["s.txt"] = "as it was" },
        { "s.txt" } },
      { "e.lua", 'put("log.txt", "a", "more"); mark(all "log.txt")', { ["log.txt"] = "before, " },
        { "log.txt" } },
      { "e.lua", 'put("gen.lua", "w", "return 7"); mark(dofile "gen.lua")', {}, { "gen.lua" } },
      { "e.lua", 'io.output "out.txt"; io.write "x"; io.output():close(); os.rename("out.txt", "in.txt")\n'
        .. 'io.input "in.txt"; mark(io.read "a")', {}, { "in.txt" } },
      { "e.lua", 'io.input "in.txt"; mark(io.read "a")', { ["in.txt"] = "read so" } },
      { "-x.lua", 'mark "named so"', {} },
    }
    for i, case in ipairs(cases) do
      local name, body, given, made = table.unpack(case)
      local what = ("%d: %s"):format(i, body)
      local work = ("%s/%d"):format(folder, i)
      write(work .. "/" .. name, head .. body .. "\n" .. tail)
      for path, text in pairs(given) do
        write(work .. "/" .. path, text)
      end
      local status, _, err = shell.sh(folder, ("cd %s && %s run ./%s --speed max --out %s/first"):format(work,
        program, name, folder))
      assert.are.equal(0, status, what .. err)
      local run = fixture.run_in(folder .. "/first")
      for _, path in ipairs(made or {}) do
        local is_given = given[path] ~= nil
        assert.are.equal(is_given, shell.read(run .. "/sources/" .. path) == given[path] and is_given, what)
        assert.are.equal(is_given, shell.read(run .. "/sources/" .. path) ~= nil, what)
      end
      assert.are.equal(name:match("[^/]+$"), fixture.manifest(run).protocol.file)
      assert.are.same({}, assert(verify.folder(run, {})).differs, what)
      local said, again_in
      status, said, again_in = again(run)
      assert.are.equal(0, status, what .. said)
      same_bytes(run, again_in, "events.tsv", "twin.tsv")
      assert(os.execute(("rm -r %s/first %s/second %s"):format(folder, folder, work)))
    end
  end)

  it("keeps the file that a sham names, and looks for no other", function()
    local verify = require "moonpulse.verify"
    assert(os.execute(("mkdir %s/lib"):format(folder)))
    for _, named in ipairs { "active.lua", "lib/active.lua", folder .. "/active.lua", "lib/sham.lua" } do
      local path = named:match("^/") and named or folder .. "/" .. named
      shell.write(path, drawn)
      local run = recorded("sham", ('local mp = require "moonpulse"\nreturn mp.protocol { id = "placebo", '
        .. 'name = "Placebo", plan = function()\nreturn mp.sham { of = %q, with = "n=2", '
        .. 'intensity = mp.mso(5) } end }\n'):format(named), "--rmt 50 --speed max")
      local found = assert(verify.folder(run, {}))
      assert.are.same({}, found.differs, named)
      assert.matches("resolved.plan is what the kept text", table.concat(found.checked, "\n"), 1, true)
      shell.write(path, (drawn:gsub("min = 5, max = 9", "min = 7, max = 9"))) -- another one, in its place
      assert.are.same({}, assert(verify.folder(run, {})).differs, named)
      local status, text, made = again(run)
      assert.are.equal(0, status, text)
      same_bytes(run, made, "events.tsv", "twin.tsv", "resolved.plan")
      assert.are.same({}, assert(verify.folder(made, {})).differs, named)
      assert(os.execute(("rm -r %s/first %s/second %s"):format(folder, folder, run)))
    end
  end)

  it("refuses a folder without its seal, and what is no file, whatever manifest.json says of it", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max")
    local manifest, source = shell.read(run .. "/manifest.json"), run .. "/sources/drawn.lua"
    local digits = cjson.decode(manifest).files[1].sha256
    local function refused(what)
      local status, said, made = again(run)
      assert.are.equal(3, status, said)
      assert.matches(what, said, 1, true)
      assert.matches("nothing was armed", said, 1, true)
      assert.is_nil(made)
    end
    os.remove(run .. "/SHA256SUMS")
    refused "SHA256SUMS: it is missing: what was run cannot be told"
    shell.write(run .. "/manifest.json", (manifest:gsub('"record_version": 3,', "")))
    refused "SHA256SUMS: it is missing"
    shell.write(run .. "/manifest.json", (manifest:gsub(digits, "none")))
    assert(os.rename(source, folder .. "/elsewhere.lua"))
    assert(lfs.link(folder .. "/elsewhere.lua", source, true))
    refused "sources/drawn.lua: it is no file"
    local text, list = "", seal.list(run)
    for _, each in ipairs(list) do -- sealed as no moonpulse does it
      local sum = each.is_file and require "moonpulse.text.sha256".of_file(run .. "/" .. each.name) or "none"
      text = text .. seal.line(sum, each.name)
    end
    shell.write(run .. "/SHA256SUMS", text)
    refused "sources/drawn.lua: it is no file"
  end)

  local asked = "on_head\tIs the coil on the head?\nway\tHow was it found?\temg|visual\n"

  --- What a record has of the preflight: of the manifest, and who was asked, of the journal.
  local function preflight_of(made)
    local found, sources = {}, {}
    for i, each in ipairs(fixture.manifest(made).preflight) do
      found[i] = ("%s=%s%s"):format(each.id, each.answer, each.source and " (" .. each.source .. ")" or "")
    end
    for _, line in ipairs(resealed.journal(made)) do
      sources[#sources + 1] = line.kind == "answer" and line.source or nil
    end
    return table.concat(found, ", "), table.concat(sources, ", ")
  end

  it("answers the preflight as it was answered, asks nobody and says so", function()
    shell.write(folder .. "/ask.txt", asked)
    local run = recorded("drawn", drawn, ("--rmt 50 --speed max --operator AB --preflight %s/ask.txt"):format(
      folder), nil, "printf 'y\\nEMG\\n' |")
    local status, text, made = again(run, "", "</dev/null")
    assert.are.equal(0, status, text)
    assert.matches("preflight   the run's 2 answers are given again, and nobody is asked\n", text, 1, true)
    assert.matches("How was it found? [emg/visual] EMG\n", text, 1, true)
    local kept, sources = preflight_of(made)
    assert.are.same({ "on_head=y (the record), way=emg (the record)", "the record, the record" },
      { kept, sources })
    assert.are.same({ "on_head=y, way=emg", "operator, operator" }, { preflight_of(run) })
    assert.is_nil(fixture.manifest(made).operator) -- who is never taken over
    assert.matches("nobody was asked: so it was answered in the run", shell.read(made .. "/report.html"), 1,
      true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. made)))
    local judged, why = shell.sh(folder, ("python3 tests/helpers/check_schema.py docs/schemas/"
      .. "manifest.schema.json %s/manifest.json"):format(made))
    assert.are.equal(0, judged, why)
    local manifest = fixture.manifest(made) -- as if somebody had been asked
    manifest.preflight[1].source = nil
    shell.write(made .. "/manifest.json", cjson.encode(manifest))
    fixture.seal(made)
    status, text = shell.moonpulse(folder, "verify " .. made)
    assert.are.equal(1, status)
    assert.matches("preflight[1].source is missing, and the record in line 3", text, 1, true)
    shell.remove(folder .. "/second")
    -- another list is asked
    status, text, made = again(run, ("--operator CD --preflight %s/ask.txt"):format(folder), "yes n |")
    assert.are.equal(3, status, text)
    assert.are.equal("declined", fixture.manifest(made).result.status)
    assert.are.same({ "on_head=n", "operator" }, { preflight_of(made) })
    assert.is_nil(text:find("\npulses ", 1, true)) -- nothing was given: nothing is compared
  end)

  it("of a run that was declined is declined again", function()
    shell.write(folder .. "/ask.txt", asked)
    local run = recorded("drawn", drawn, ("--rmt 50 --speed max --operator AB --preflight %s/ask.txt"):format(
      folder), 3, "printf 'y\\nno\\n' |")
    local status, text, made = again(run, "", "</dev/null")
    assert.are.equal(0, status, text)
    assert.matches("\nSAME ", text, 1, true)
    assert.are.same({ "on_head=y (the record), way=no (the record)", "the record, the record" },
      { preflight_of(made) })
    assert.are.equal(fixture.manifest(run).result.reason, fixture.manifest(made).result.reason)
  end)

  it("asks the preflight anew at a stimulator, whatever was answered before", function()
    shell.write(folder .. "/ask.txt", asked)
    local run = recorded("drawn", drawn, ("-p n=1 --rmt 50 --speed max --operator AB --participant P07 "
      .. "--preflight %s/ask.txt"):format(folder), nil, "printf 'y\\nemg\\n' |")
    local link = folder .. "/stim"
    jobs:start("sim", ("sim magventure --link %s --log %s.tsv"):format(link, link)):says("simulated ")
    for _, list in ipairs { "", "--preflight " .. folder .. "/ask.txt" } do
      local status, text, made = again(run, ("--participant P07 --operator CD --real-pty --port %s %s")
        :format(link, list), "</dev/null")
      assert.are.equal(3, status, text)
      assert.matches("the preflight was not answered (" .. (list == "" and "screened)" or "on_head)"), text,
        1, true)
      assert.is_nil(text:find("are given again", 1, true))
      assert.are.equal("no answer", fixture.manifest(made).preflight[1].answer)
      shell.remove(folder .. "/second")
    end
    assert.are.equal(1, select(2, shell.read(link .. ".tsv"):gsub("\n", ""))) -- nothing was sent
  end)

  it("goes to a stimulator only where a port is named", function()
    local short = drawn:gsub("min = 5, max = 6.5", "min = 0.2, max = 0.3"):gsub("min = 5, max = 9", "0.1", 1)
    local run = recorded("drawn", (short:gsub("{ 0.1 }", "(0.1)")), "-p n=1 --rmt 50 --speed max --late skip "
      .. "--participant P07")
    local link = folder .. "/stim"
    jobs:start("sim", ("sim magventure --link %s --log %s.tsv"):format(link, link)):says("simulated ")
    for _, given in ipairs { "--participant P08", "" } do
      local refused, said, none = again(run, given .. " --port " .. link)
      assert.are.equal(2, refused, said)
      assert.matches("--rmt: the run's RMT, 50 %MSO, is of P07, and this is for ", said, 1, true)
      assert.is_nil(none)
    end
    local status, text, made = again(run, "--participant P08 --rmt 50 --port " .. link)
    assert.matches("differs     device: the run was on a simulated MagVenture MagPro, serial number 66051; "
      .. "now on what is at " .. link, text, 1, true)
    assert.matches("differs     participant: the run was of P07, with these thresholds: RMT 50 %MSO; now of "
      .. "P08\n", text, 1, true)
    assert.is_true(status == 0 or status == 1, text) -- 1: this computer was too late for one
    assert.is_nil(shell.read(made .. "/twin.tsv"))
    assert.are.equal("pty", fixture.manifest(made).device.backend)
  end)

  it("takes over to a stimulator nothing that is of another person", function()
    shell.write(folder .. "/meta.json", '{"age": 33}')
    shell.write(folder .. "/list", "ready\tIs all ready?\n")
    local run = recorded("asks", 'local mp = require "moonpulse"\nreturn mp.experiment { name = "Asks", '
      .. 'run = function(run)\nlocal dose = run:ask "Dose? [y/n]" == "y" and 60 or 40\n'
      .. 'run:device():arm(mp.pulse(mp.mso(dose)))\nrun:device():play(mp.pulse(mp.mso(dose)))\n'
      .. 'run:device():disarm() end }\n', ("--speed max --rmt 50 --participant P07 --preflight %s/list "
      .. "--meta %s/meta.json"):format(folder, folder), nil, "yes y |")
    local link = folder .. "/stim"
    jobs:start("sim", ("sim magventure --link %s --log %s.tsv"):format(link, link)):says("simulated ")
    local was = shell.read(run .. "/events.tsv")
    assert.matches("\t60\t", was, 1, true)
    local _, text, made = again(run, "--participant P07 --port " .. link, "echo n |")
    assert.matches("differs     answers: the run had 1 answer; on a stimulator the operator is asked anew",
      text, 1, true)
    local manifest = fixture.manifest(made)
    assert.matches("\t40\t", shell.read(made .. "/events.tsv"), 1, true)
    assert.is_nil(shell.read(made .. "/events.tsv"):find("\t60\t", 1, true))
    for _, each in ipairs(manifest.files) do
      assert.is_nil(({ preflight = true, meta = true, answers = true })[each.role], each.role)
    end
    assert.are.equal(50, plans.threshold(manifest, "rmt")) -- of the same participant
    assert.is_nil(shell.read(made .. "/journal.jsonl"):find("Is all ready?", 1, true))
  end)

  for _, device in ipairs { "magventure", "pulsepal" } do
    it("finds the pulses of a run on a port the same, on its simulator: " .. device, function()
      local tty = folder .. "/tty"
      jobs:start("sim", ("sim %s --link %s"):format(device, tty))
      shell.await(function() return lfs.symlinkattributes(tty, "mode") end, "the simulator's port")
      shell.write(folder .. "/list", "ready\tIs all ready?\n")
      local run = recorded("five", 'local mp = require "moonpulse"\nreturn mp.protocol { name = "Five", '
        .. 'plan = function() return mp.pulse(mp.rmt(90)):label "task":times(5, { every = 0.2 }) end }\n',
        ("--rmt 50 --device %s %s --port %s --real-pty --preflight %s/list --operator AB --tolerance 5000")
          :format(device, device == "pulsepal" and "--device-option full_scale_volts=10" or "", tty, folder),
        nil, "yes y |")
      assert.is_false(fixture.manifest(run).device.simulated)
      local status, text, made = again(run, "", "yes y |")
      assert.are.equal(0, status, text)
      assert.matches("\npulses      SAME: 5 pulses, planned at the same times, on the same channels, as "
        .. "strong, of the same conditions\naround      SAME: [^\n]*\nSAME ", text)
      assert.is_true(fixture.manifest(made).device.simulated)
      assert.is_nil(text:find("\n  simulated", 1, true))
    end)
  end

  it("tells the pulses from what surrounds them, and no path of its own", function()
    local asks = 'local mp = require "moonpulse"\nreturn mp.experiment { name = "Asks", run = function(run)\n'
      .. 'for _ = 1, 3 do run:device():arm(mp.pulse(mp.mso(40)))\nrun:device():play(mp.pulse(mp.mso(40)))\n'
      .. 'run:ask "ok? [y/n]"\nrun:device():disarm() end\nend }\n'
    for lines, has in pairs { [0] = "no answer", [1] = "only 1 answer" } do
      local run = recorded("asks", asks, "--speed max", 2, lines == 0 and "true |" or "echo y |")
      local status, text, made = again(run)
      assert.are.equal(0, status, text) -- it ends alike
      assert.matches(("question %d has no answer: \"ok? [y/n]\": the record has %s: the run had come no "
        .. "further"):format(lines + 1, has), fixture.manifest(made).result.reason, 1, true)
      assert.matches(("\npulses      SAME: %d pulse"):format(lines + 1), text, 1, true)
      assert.matches("\naround      SAME: ", text, 1, true)
      local manifest, journal = shell.read(made .. "/manifest.json"), shell.read(made .. "/journal.jsonl")
      for _, said in ipairs { text, manifest, journal } do
        assert.is_nil(said:find("/lua_", 1, true), said)
      end
      manifest = fixture.manifest(run) -- as if it had been killed there
      manifest.status = "interrupted"
      resealed.ended_by({ manifest.result }, nil, "Moonpulse was killed")
      resealed.edit(run, function(entries) resealed.ended_by(entries, nil, "Moonpulse was killed") end,
        { ["manifest.json"] = function() return cjson.encode(manifest) end })
      assert(os.execute(("rm -r %s/second"):format(folder)))
      status, text = again(run)
      assert.are.equal(0, status, text)
      assert.matches(("\nend         [^\n]* with pulse %d %%(Moonpulse was killed%%)[^\n]*\npulses      "
        .. "SAME: %d pulse[^\n]*\naround      SAME: [^\n]*\nSAME "):format(lines + 1, lines + 1), text)
      assert(os.execute(("rm -r %s/first %s/second %s"):format(folder, folder, run)))
    end
  end)

  it("lets an edge that was waited for twice fall between", function()
    assert.are.same({ "0.500000000 cts rising", "1.000000000 port 9", "1.250000000 cts falling",
      "2.000000000 cts rising", "3.000000000 dsr falling", "4.000000000 cts falling" },
      recipes.trigger_lines { triggers = { { at_ns = "500000000", line = "cts", edge = "rising" },
        { at_ns = "1000000000", byte = 9 }, { at_ns = "2000000000", line = "cts", edge = "rising" },
        { at_ns = "3000000000", input = "dsr", edge = "falling" },
        { at_ns = "4000000000", line = "cts", edge = "falling" } } })
  end)

  it("says of a folder that says too little what is missing", function()
    local run = recorded("drawn", drawn, "--rmt 50 --speed max")
    os.remove(run .. "/journal.jsonl")
    local status, text = again(run)
    assert.are.equal(2, status)
    assert.matches("its journal does not say how the run was driven", text, 1, true)
    status, text = again(folder)
    assert.are.equal(2, status)
    assert.matches("is it the folder of a run?", text, 1, true)
  end)
end)
