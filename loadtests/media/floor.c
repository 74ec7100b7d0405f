/* The floor of all floors: what floor.py does, by a thread in C that waits on all sockets.
   Reads the same lines: "pair PORT IN OUT PORT IN OUT" or "usage". The argument is the profile: sha1 or gcm. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 2048
#define AT_ONCE 8

struct peer {
    int socket;
    srtp_t receiving, sending;
    struct sockaddr_in address;
    struct peer *other;
};

static int queue;
static srtp_profile_t profile = srtp_profile_aes128_cm_sha1_80;

static void check(int wrong, const char *what)
{
    if (wrong) {
        printf("{\"error\": \"%s: %s\"}\n", what, strerror(errno));
        exit(1);
    }
}

static srtp_t session(const char *hex, srtp_ssrc_type_t kind)
{
    srtp_policy_t policy;
    unsigned char *key = calloc(1, strlen(hex) / 2 + 1);
    srtp_t made;

    for (size_t at = 0; at < strlen(hex) / 2; at++)
        sscanf(hex + 2 * at, "%2hhx", &key[at]);
    memset(&policy, 0, sizeof policy);
    check(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile), "profile");
    check(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile), "profile");
    policy.ssrc.type = kind;
    policy.key = key;
    policy.window_size = 1024;
    policy.allow_repeat_tx = 1;
    check(srtp_create(&made, &policy), "session");
    free(key);
    return made;
}

static struct peer *open_one(int port, const char *in, const char *out)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    peer->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    check(peer->socket < 0, "socket");
    check(bind(peer->socket, (struct sockaddr *)&here, sizeof here), "bind");
    peer->address = here;
    peer->address.sin_port = htons(port);
    peer->receiving = session(in, ssrc_any_inbound);
    peer->sending = session(out, ssrc_any_outbound);
    return peer;
}

static int port_of(const struct peer *peer)
{
    struct sockaddr_in here;
    socklen_t size = sizeof here;

    getsockname(peer->socket, (struct sockaddr *)&here, &size);
    return ntohs(here.sin_port);
}

static void watch(struct peer *peer)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

    check(epoll_ctl(queue, EPOLL_CTL_ADD, peer->socket, &event), "epoll");
}

static void forward(struct peer *peer, unsigned char *packet, int size)
{
    uint16_t number;
    uint32_t word;

    if (srtp_unprotect(peer->receiving, packet, &size) != srtp_err_status_ok)
        return;
    memcpy(&number, packet + 2, 2);
    number = htons(ntohs(number) + 1);
    memcpy(packet + 2, &number, 2);
    memcpy(&word, packet + 4, 4);
    word = htonl(ntohl(word) + 1);
    memcpy(packet + 4, &word, 4);
    memcpy(&word, packet + 8, 4);
    word ^= htonl(0x01020304);
    memcpy(packet + 8, &word, 4);
    if (srtp_protect(peer->other->sending, packet, &size) == srtp_err_status_ok)
        sendto(peer->other->socket, packet, size, 0, (struct sockaddr *)&peer->other->address,
               sizeof peer->other->address);
}

static void *run(void *unused)
{
    static unsigned char room[AT_ONCE][ROOM];
    struct mmsghdr messages[AT_ONCE];
    struct iovec parts[AT_ONCE];
    struct epoll_event events[64];

    memset(messages, 0, sizeof messages);
    for (int at = 0; at < AT_ONCE; at++) {
        parts[at] = (struct iovec){ room[at], ROOM - SRTP_MAX_TRAILER_LEN };
        messages[at].msg_hdr.msg_iov = &parts[at];
        messages[at].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        int ready = epoll_wait(queue, events, 64, -1);

        for (int at = 0; at < ready; at++) {
            struct peer *peer = events[at].data.ptr;
            int count = recvmmsg(peer->socket, messages, AT_ONCE, 0, NULL);

            for (int number = 0; number < count; number++)
                forward(peer, room[number], messages[number].msg_len);
        }
    }
    return unused;
}

int main(int count, char **arguments)
{
    char line[1024], in[2][128], out[2][128];
    int port[2];
    pthread_t thread;

    if (count > 1 && !strcmp(arguments[1], "gcm"))
        profile = srtp_profile_aead_aes_256_gcm;
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(srtp_init(), "libsrtp");
    queue = epoll_create1(0);
    check(pthread_create(&thread, NULL, run, NULL), "thread");
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "pair %d %127s %127s %d %127s %127s", &port[0], in[0], out[0], &port[1], in[1], out[1]) == 6) {
            struct peer *one = open_one(port[0], in[0], out[0]), *other = open_one(port[1], in[1], out[1]);

            one->other = other;
            other->other = one;
            watch(one);
            watch(other);
            printf("{\"ports\": [%d, %d]}\n", port_of(one), port_of(other));
        } else {
            struct rusage used;

            getrusage(RUSAGE_SELF, &used);
            printf("{\"cpu\": %.6f}\n", used.ru_utime.tv_sec + used.ru_stime.tv_sec
                                            + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
        }
    }
    return 0;
}
