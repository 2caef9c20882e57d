-- The stream of markers over LSL, received by a program in Python that was written from the protocol's
-- description and knows nothing of Moonpulse; and of whole runs, against their own records.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local slow = "--timing host --tolerance 10000"
local number = 0

describe("a stream over LSL", function()
  local folder, jobs, name
  fixture.each_test(function(...)
    folder, jobs = ...
    number = number + 1
    name = ("spec %d-%d"):format(core.host().pid, number)
  end)

  --- Begin a reader: how as in lsl_reader.py.
  local function read(how, input)
    local out = ("%s/%s"):format(folder, how)
    os.execute(("python3 tests/helpers/lsl_reader.py %s %s %s <%s 2>%s.err & echo $! >%s.pid"):format(how,
      shell.quote(name), out, input or "/dev/null", out, out))
    return out
  end

  --- What a reader wrote, once it has ended: what it was told of the stream, and the rest.
  local function got(out)
    local text = shell.await(function()
      if core.tasks() > 0 then
        core.wait(0.002)
      end
      local err = shell.read(out .. ".err")
      assert(not (err or ""):find "Error", err)
      return shell.read(out)
    end, out)
    local list = {}
    for line in text:gmatch "[^\n]+" do
      list[#list + 1] = cjson.decode(line)
    end
    return table.remove(list, 1), list
  end

  describe("of its own", function()
    local outlet
    before_each(function()
      outlet = assert(core.lsl(false))
      assert(outlet:serve(name, "a run", "1.2.3"))
    end)
    after_each(function() outlet:close() end)

    local function receivers(count)
      shell.await(function()
        core.wait(0.002)
        return outlet:counts() >= count
      end, "receivers")
    end

    --- Texts of all lengths that matter, and times that no double rounds by more than a nanosecond.
    local function push(count, long)
      local texts, begun = {}, 12345678901234
      for i = 1, count do
        local length = long and 1000 or i % 7 == 0 and 250 + i % 13 or i % 40
        texts[i] = ("%d "):format(i) .. ("é"):rep(length // 2)
        assert.is_true(outlet:push(begun + i * 999999937, texts[i]))
        if i % 50 == 0 then
          core.wait(0)
        end
      end
      return texts, function(i) return ("%.9f"):format((begun + i * 999999937) / 1e9) end
    end

    local function check(list, texts, time_of, first)
      for i, said in ipairs(list) do
        assert.are.equal(texts[first + i - 1], said.text)
        assert.are.equal(time_of(first + i - 1), said.at)
      end
    end

    it("gives every sample once to each, in all forms, while others hang, vanish and send garbage", function()
      local hang, broken = read "hang", read "garbage"
      local outs = { read "receive", read "receive-big", read "receive-old", read "receive-bare" }
      receivers(5)
      got(read "vanish")
      shell.await(function()
        core.wait(0.002)
        return shell.read(broken .. ".begun") and outlet:counts() == 5
      end, "garbage, and that one is gone")
      local texts, time_of = push(4000)
      local late = read "receive-late"
      receivers(6)
      shell.write(hang .. ".go", "")
      shell.write(broken .. ".go", "")
      outlet:push(1, "the last")
      outlet:finish(30, 60)
      local _, most, samples, lost = outlet:counts()
      outlet:close()
      for _, out in ipairs(outs) do
        local _, list = got(out)
        assert.are.equal(4001, #list, out)
        assert.are.equal("the last", table.remove(list).text)
        check(list, texts, time_of, 1)
      end
      local told, list = got(late)
      assert.are.same({ "the last" }, { list[1].text, list[2] and list[2].text }) -- and none of before
      assert.are.equal("127.0.0.1", told.host)
      assert.matches("<run>a run</run>", told.full, 1, true)
      _, list = got(hang)
      assert.are.equal(4001, #list + lost)
      assert.are.equal(4001, samples)
      assert.are.equal(6, most)
      got(broken)
    end)

    it("counts what one who hangs has lost, and gives it the newest when it goes on", function()
      local hang, out = read "hang", read "receive"
      receivers(2)
      local texts, time_of = push(7000, true)
      shell.write(hang .. ".go", "")
      outlet:finish(30, 60)
      local _, _, _, lost = outlet:counts()
      outlet:close()
      local _, list = got(out)
      assert.are.equal(7000, #list)
      check(list, texts, time_of, 1)
      _, list = got(hang)
      assert.is_true(lost > 1000, lost)
      assert.are.equal(7000, #list + lost)
      local before = 0
      for _, said in ipairs(list) do
        local at = tonumber(said.text:match "^%d+")
        assert.is_true(at > before)
        assert.are.equal(texts[at], said.text)
        before = at
      end
      assert.are.equal(7000, before)
    end)

    it("counts what one has not got whose connection breaks", function()
      local broken = read "broken"
      receivers(1)
      push(1000, true)
      core.wait(0.01)
      shell.write(broken .. ".go", "")
      shell.await(function()
        core.wait(0.002)
        return outlet:counts() == 0
      end, "it is gone")
      local _, _, samples, lost = outlet:counts()
      assert.is_true(lost > 500 and lost < samples, lost)
    end)

    it("takes 32 who receive, and counts who else comes", function()
      local crowd = read "crowd"
      shell.await(function()
        core.wait(0.002)
        return shell.read(crowd .. ".crowded")
      end, "a crowd")
      local now, most, _, _, refused = outlet:counts()
      assert.are.same({ 32, 32, 3 }, { now, most, refused })
      shell.write(crowd .. ".go", "")
      assert.are.equal(3, (got(crowd)).refused)
    end)

    it("takes 32 who have connected, and in the place of who asks nothing somebody who does", function()
      local storm = read "storm"
      shell.await(function()
        core.wait(0.002)
        return shell.read(storm .. ".begun")
      end, "a storm")
      core.wait(0.1)
      local out = read "receive"
      receivers(1)
      shell.write(storm .. ".go", "")
      outlet:push(5000000000, "one")
      outlet:finish(30, 60)
      outlet:close()
      local _, list = got(out)
      assert.are.equal("one 5.000000000", ("%s %s"):format(list[1].text, list[1].at))
      got(storm)
    end)

    it("answers the queries that are true of it, and no others", function()
      local queries = {
        { "", true }, { "session_id='default'", true }, { "session_id='lab 2'", false },
        { ("session_id='default' and name='%s'"):format(name), true },
        { ("name=\"%s\" and type='Markers' and channel_count='1' and channel_format='string'"):format(name),
          true },
        { "session_id='default' and name='another'", false }, { "type='EEG' and type='Markers'", false },
        { "type='EEG' or type='Markers'", true }, { "not(type='EEG') and channel_count=1.0", true },
        { "starts-with(name,'spec') and contains(source_id, 'moonpulse:')", true },
        { "(type='EEG')", false }, { "type!='Markers'", false }, { "nothing='a' or nothing!='a'", false },
        { "type='Markers' and", false }, { "count(desc/channels/channel)=1", false }, { "type='Mark", false },
        { "type='Markers' type='Markers'", false }, { "nominal_srate=0", true },
      }
      local lines, expected = {}, {}
      for i, each in ipairs(queries) do
        lines[i], expected[i] = each[1], each[2]
      end
      shell.write(folder .. "/queries", table.concat(lines, "\n") .. "\n")
      local _, list = got(read("ask", folder .. "/queries"))
      assert.are.equal(#queries, #list)
      for i, said in ipairs(list) do
        assert.are.equal(expected[i], said.answered, said.query)
      end
    end)
  end)

  --- A run with the stream, received as how says: the reader begins before it.
  local function run(arguments, how, before)
    local out = read(how or "receive")
    local job = jobs:start("run", ("run %s --lsl %s --lsl-wait 60 --out %s/runs"):format(arguments,
      shell.quote(name), folder))
    if before then
      before(job)
    end
    local status = job:wait()
    local told, list = got(out)
    return list, fixture.run_in(folder .. "/runs"), status, told, job
  end

  --- The samples of rows of events.tsv: when each is, from the run's start, and what it says.
  local function wanted(path, text_of)
    local list = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      local text = text_of(row)
      if text then
        list[#list + 1] = { text = text, onset = tonumber(row.onset) }
      end
    end
    return list
  end

  local function pulse_or_mark(row)
    if row.event == "pulse" then
      return row.trial_type == "pulse" and "pulse" or "pulse " .. row.trial_type
    end
    return row.event == "mark" and "mark " .. row.reply
  end

  --- Start, every row at its onset and once, stop. Samples come as they are known, rows by their onsets.
  local function check(list, path, stop, text_of)
    local name_of_run = path:match "[^/]+$"
    assert.are.equal("start " .. name_of_run, list[1].text)
    assert.are.equal("stop " .. stop, list[#list].text)
    local rows, start = wanted(path, text_of or pulse_or_mark), tonumber(list[1].at)
    local samples = table.move(list, 2, #list - 1, 1, {})
    for i, said in ipairs(samples) do
      said.order = i
    end
    table.sort(samples, function(a, b)
      local first, second = tonumber(a.at), tonumber(b.at)
      return first < second or first == second and a.order < b.order
    end)
    assert.are.equal(#rows, #samples)
    for i, said in ipairs(samples) do
      assert.are.equal(rows[i].text, said.text)
      assert.is_true(math.abs(said.at - start - rows[i].onset) < 2e-6, said.text .. said.at)
    end
    local lsl = fixture.manifest(path).lsl
    assert.are.same({ name, "lo", #list, 1, 0, 0 }, { lsl.name, lsl.on, lsl.samples, lsl.receivers, lsl.lost,
      lsl.refused })
    return rows
  end

  it("has each pulse and mark of a run with its code, at the onset of the record", function()
    shell.write(folder .. "/coded.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "coded", name = "Coded", plan = function()
        local single = mp.pulse { intensity = mp.mso(50), code = 2 }
        local pair = mp.mark("S", { code = 12 })
          .. mp.pair { isi = mp.ms(150), intensity = mp.mso(50) }:label "SICI"
        return mp.mark("begin", { code = 100 }) .. mp.rest(0.05) .. single:times(3, { every = 0.2 })
          .. mp.rest(0.2) .. mp.mark "plain" .. pair:times(2, { every = 0.4 }) end }]])
    local list, path, status, told, job = run(("%s/coded.lua %s --participant P17 --events %s/feed")
      :format(folder, slow, folder), "receive", function(job)
      job:says "lsl "
      os.execute(("python3 tests/helpers/feed_reader.py read %s/feed %s/told &"):format(folder, folder))
    end)
    assert.are.equal(0, status, job:err())
    local codes = { ["mark begin"] = 100, ["mark S"] = 12, ["pulse"] = 2 }
    local rows = check(list, path, "finished", function(row)
      local text = pulse_or_mark(row)
      return text and codes[text] and ("%s code=%d"):format(text, codes[text]) or text
    end)
    assert.are.equal(1 + 3 + 1 + 2 + 4, #rows)
    assert.is_true(math.abs(told.offset) < 60) -- it is this computer's clock, and no other
    assert.are.equal(told.uid, fixture.manifest(path).lsl.uid)
    assert.is_nil((told.full .. told.short):find("P17", 1, true))
    local start = shell.await(function() return shell.read(folder .. "/told") end, "the feed")
      :match '"starts_mono_s":([%d.]+)'
    assert.is_true(math.abs(start - list[1].at) < 2e-6)
  end)

  it("has the pulses of a train that the device times, each at its own time", function()
    shell.write(folder .. "/train.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "train", name = "Train", plan = function()
        return mp.train { pulses = 12, hz = 10, intensity = mp.mso(40) } end }]])
    local list, path, status, _, job = run(folder .. "/train.lua --device sim:rapid --timing device")
    assert.are.equal(0, status, job:err())
    assert.are.equal(12, #check(list, path, "finished"))
    assert.are.equal("device", shell.rows(path .. "/events.tsv")[2].timed_by)
  end)

  it("has the marks and pulses of an experiment, and why it was stopped", function()
    shell.write(folder .. "/script.lua", [[local mp = require "moonpulse"
      return mp.experiment { id = "script", name = "Script", run = function(run)
        local stim = run:device()
        run:mark "one\nline"
        run:mark("coded", { code = 9 })
        run:ask "Who?"
        stim:arm()
        for i = 1, 3 do
          stim:fire(mp.pulse(mp.mso(40 + i)):label("step " .. i))
          run:sleep(0.2)
        end
        run:mark(("x"):rep(3000))
        run:note "waits"
        run:sleep(60) end }]])
    shell.write(folder .. "/answers", "Anna Smith\n")
    local list, path, status = run(("%s/script.lua --answers %s/answers --tolerance 10000"):format(folder,
      folder), "receive", function(job)
      job:says "waits"
      job:signal "TERM"
    end)
    assert.are.equal(5, status)
    local others = { ["mark coded"] = "mark coded code=9", ["mark Who?: Anna Smith"] = "mark Who?" }
    check(list, path, "signal", function(row)
      local text = pulse_or_mark(row)
      return others[text] or text and #text > 1000 and ("mark %s..."):format(("x"):rep(897)) or text
    end)
  end)

  it("says of several devices whose a pulse is, of a protocol and of a script, and so does XDF", function()
    local pair = [[local mp = require "moonpulse"
      local pair = mp.mark("S", { code = 12 }) .. mp.together {
        left = mp.rest(0.1) .. mp.pulse { intensity = mp.mso(40), code = 2 },
        right = mp.rest(0.2) .. mp.pulse(mp.mso(45)) }:label "P" ]]
    shell.write(folder .. "/pairs.lua", pair .. [[return mp.protocol { id = "pairs", name = "Pairs",
      plan = function() return pair:times(2, { every = 1.5 }) end }]])
    shell.write(folder .. "/script.lua", pair .. [[return mp.experiment { id = "script", name = "Script",
      run = function(run)
        local right, both = run:device "right", run:device()
        run:mark("coded", { code = 9 })
        right:arm()
        right:fire(mp.pulse { intensity = mp.mso(42), code = 5 }:label "alone")
        right:disarm()
        both:arm(pair)
        both:play(pair:times(2, { every = 1.5 }))
      end }]])
    for _, which in ipairs { "pairs", "script" } do
      local list, path, status, _, job = run(("%s/%s.lua --tolerance 10000 --device left=sim:rapid --device "
        .. "right=sim:magventure"):format(folder, which))
      assert.are.equal(0, status, job:err())
      local codes = { ["mark S"] = 12, ["mark coded"] = 9, ["pulse P channel=left"] = 2,
        ["pulse alone channel=right"] = 5 }
      local count = { left = 0, right = 0 }
      local rows = check(list, path, "finished", function(row)
        local text = pulse_or_mark(row)
        if row.event == "pulse" then
          text, count[row.channel] = text .. " channel=" .. row.channel, count[row.channel] + 1
        end
        return text and codes[text] and ("%s code=%d"):format(text, codes[text]) or text
      end)
      assert.is_true(#rows >= 6)
      assert.are.same({ 2, which == "script" and 3 or 2 }, { count.left, count.right })
      assert.are.equal(0, (shell.moonpulse(folder, ("export xdf %s --out %s/xdf"):format(path, folder))))
      local xdf = shell.read(("%s/xdf/%s.xdf"):format(folder, path:match "[^/]+$"))
      assert.are.equal(2, select(2, xdf:gsub("pulse P channel=left", "")))
      assert.are.equal(count.right, select(2, xdf:gsub("pulse %l*P? ?channel=right", "")))
      os.execute(("rm -rf %s/runs %s/receive*"):format(folder, folder))
    end
  end)

  it("says what is not sure, what nobody sent, and nothing of what was left out", function()
    local markers, told = require("moonpulse.run.markers").open(nil, false), {}
    markers.outlet:close()
    markers.outlet = { push = function(_, at, text) told[#told + 1] = ("%d %s"):format(at, text) end }
    markers.run = "a run"
    markers:start(1000)
    for _, row in ipairs {
      { event = "pulse", pulse = 1, condition = "SICI", sent_ns = 5, status = "perhaps_sent" },
      { event = "pulse", pulse = 2, condition = "SICI", planned_ns = 6, status = "late" },
      { event = "pulse", pulse = 3, condition = "loop", confirmed_ns = 7, status = "external",
        timed_by = "external" },
      { event = "set_intensity", planned_ns = 8, sent_ns = 8 }, { event = "code", sent_ns = 9, reply = "7" },
      { event = "unasked_pulse", planned_ns = 10, confirmed_ns = 10 },
      { event = "mark", planned_ns = 11, reply = "a\27[2Jb" },
      { event = "mark", planned_ns = 12, reply = "S1", code = 7 },
      { event = "mark", planned_ns = 13, reply = "Who?: Anna Smith", told = "Who?" },
    } do
      markers:row(row)
    end
    assert.are.same({ "1000 start a run", "1005 perhaps_sent SICI", "1007 pulse loop", "1010 unasked_pulse",
      "1011 mark a\\x1B[2Jb", "1012 mark S1 code=7", "1013 mark Who?" }, told)
  end)

  it("is refused in virtual time, by a wrong name, and where nobody comes", function()
    for arguments, words in pairs { ["--lsl --speed max"] = "it is for real time, --speed 1",
      ["--lsl-wait 1"] = "give --lsl as well", ["--lsl-on all"] = "give --lsl as well",
      ["--lsl \"a'b\""] = "no quotes" } do
      local job = jobs:start("refused", ("run itbs600 --amt 50 %s --out %s/none"):format(arguments, folder))
      assert.are.equal(2, job:wait(), arguments)
      assert.matches(words, job:err(), 1, true)
    end
    assert.are.same({}, shell.names(folder .. "/none"))
    local job = jobs:start("alone", ("run itbs600 --amt 50 --lsl %s --lsl-wait 0.05 --out %s/alone"):format(
      shell.quote(name), folder))
    assert.are.equal(3, job:wait())
    local said = ("nobody has connected to the stream %s within 0.05 s (--lsl-wait)"):format(name)
    assert.matches(said, job:err(), 1, true)
    assert.are.equal(0, fixture.manifest(fixture.run_in(folder .. "/alone")).lsl.samples)
  end)

  --- The sockets of the network that a process has, by their numbers.
  local function sockets(pid)
    local all, found = {}, {}
    for _, kind in ipairs { "tcp", "udp" } do
      for line in io.lines("/proc/net/" .. kind) do
        all[line:match("^%s*%S+ %S+ %S+ %S+ %S+ %S+ %S+%s+%S+%s+%S+ (%d+)") or 0] = true
      end
    end
    local list = io.popen(("ls -l /proc/%s/fd"):format(pid)):read "a"
    for inode in list:gmatch "socket:%[(%d+)%]" do
      found[#found + 1] = all[inode] and inode or nil
    end
    return found
  end

  it("leaves no socket to a child of its run: guard, simulator, what its script starts", function()
    shell.write(folder .. "/child.lua", ([[local mp = require "moonpulse"
      return mp.experiment { id = "child", name = "Child", run = function(run)
        run:device():arm()
        os.execute "sleep 60 >/dev/null 2>&1 & echo $! >%s/child"
        run:note "begins"
        run:sleep(60) end }]]):format(folder))
    local job = jobs:start("run", ("run %s/child.lua --lsl %s --out %s/runs"):format(folder,
      shell.quote(name), folder))
    job:says "begins"
    local child = shell.read(folder .. "/child"):match "%d+"
    local children = job:children()
    assert.is_true(#children >= 2) -- the guard, the simulator
    children[#children + 1] = child
    for _, pid in ipairs(children) do
      assert.are.same({}, sockets(pid), (shell.read(("/proc/%s/cmdline"):format(pid)):gsub("%z", " ")))
    end
    assert.is_true(#sockets(job:pid()) >= 3)
    os.execute("kill -9 " .. child)
    job:signal "TERM"
    assert.are.equal(5, job:wait())
  end)
end)
